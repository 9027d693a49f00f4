package preflight_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/nylastrack/nylas-go/preflight"
)

func TestCheckOfForeignHosts(t *testing.T) {
	t.Parallel()
	for _, target := range []string{
		"https://nam10.safelinks.protection.outlook.com/?url=https%3A%2F%2Facme.dev", "https://eur01.SAFELINKS.protection.outlook.com/ap/x",
		"https://gcc02.safelinks.protection.office365.us/?url=x", "https://urldefense.com/v3/__https://acme.dev/__;!!x", "https://urldefense.us/v3/x",
		"https://urldefense.proofpoint.com/v2/url?u=https-3A__acme.dev", "https://clicktime.symantec.com/3Mnsci?u=https%3A%2F%2Facme.dev",
		"https://protect-us.mimecast.com/s/0wSd", "https://protect-eu.mimecast.com/s/x?domain=acme.dev", "https://url.uk.m.mimecastprotect.com/s/YP9X?domain=acme.dev",
		"https://linkprotect.cudasvc.com/url?a=https%3a%2f%2facme.dev", "http://secure-web.cisco.com/1S1h/http%3A%2F%2Facme.dev",
		"https://eu-central-1.protection.sophos.com/?d=acme.dev&amp;u=x", "https://url.avanan.click/v2/r01/___https://acme.dev/___.x",
		"https://checkpoint.url-protection.com/v1/url?o=x", "https://protect2.fireeye.com/v1/url?k=x",
		"https://u123.ct.sendgrid.net/ls/click?upn=x", "https://abc.r.us-east-1.awstrack.me/L0/x", "https://acme.us1.list-manage.com/track/click?u=x",
		"https://mandrillapp.com/track/click/1/x", "https://d1.na1.hubspotlinks.com/Ctc/x", "https://click.pstmrk.it/3s/x", "https://trk.klclick.com/ls/x",
		"https://r20.rs6.net/tn.jsp?x", "https://protect.checkpoint.com/v2/___https://acme.dev/___.x", "https://avanan.url-protection.com/v1/url?o=x",
		"https://scanmail.trustwave.com/?c=1&amp;d=x&amp;u=https%3a%2f%2facme.dev", "https://linkscan.io/scan/ux/aHR0",
	} {
		codes := codes(`<a href="` + target + `">x</a>`)
		assert.Contains(t, codes, preflight.CodeForeignTrackingPresent, target)
		assert.NotContains(t, codes, preflight.CodeBadURI, target)
	}
	for _, target := range []string{
		"https://outlook.com/", "https://protection.outlook.com/", "https://www.mimecast.com/", "https://community.mimecast.com/s/article", "https://protect.acme.dev/s/x",
		"https://notclicktime.symantec.com/", "https://symantec.com/", "https://www.cisco.com/", "https://sendgrid.net/", "https://acme.us1.list-manage.com/subscribe?u=x",
		"https://mandrillapp.com/docs", "https://url-protection.com/", "https://protect.checkpoint.com/docs", "https://www.checkpoint.com/", "https://acme.dev/?u=https://urldefense.com/v3/x", "https://linkscan.io/pricing", "https://www.trustwave.com/", "https://com/", "https://a.b.c.d.e.f.g/",
	} {
		assert.NotContains(t, codes(`<a href="`+target+`">x</a>`), preflight.CodeForeignTrackingPresent, target)
	}
	// That the text names the host of the original link is as it should be.
	assert.Equal(t, []preflight.Code{preflight.CodeForeignTrackingPresent, preflight.CodeTextIsURL},
		codes(`<a href="https://clicktime.symantec.com/3?u=https%3A%2F%2Fbank.com">bank.com</a>`))
	for image, want := range map[string]int{
		"https://acme.us1.list-manage.com/track/open.php?u=x": 1, "https://u1.ct.sendgrid.net/wf/open?upn=x": 1, "https://acme.dev/x.png": 0,
	} {
		assert.Equal(t, want, count(codes(`<p><img src="`+image+`">`), preflight.CodeForeignTrackingPresent), image)
	}
}

func TestCheckOfNoTrackAttributes(t *testing.T) {
	t.Parallel()
	for _, attribute := range []string{
		"clicktracking=off", `ClickTracking="OFF"`, "data-pm-no-track", `data-pm-no-track="true"`, "ses:no-track", `disable-tracking="true"`, "disable-tracking=TRUE",
		`data-disable-tracking="true"`, `data-msys-clicktrack="0"`, "mc:disable-tracking", `mc:disable-tracking=""`, `mautic:disable-tracking="true"`,
		`data-mautic-disable-tracking="true"`, "cm_dontconvertlink", "mb_dontconvertlink", `autotrack="false"`, "data-as-no-track",
		`class="button untracked"`, "class=mktNoTrack",
	} {
		body := "<a " + attribute + ` href="https://acme.dev/">x</a>`
		assert.Equal(t, []preflight.Code{preflight.CodeNoTrackAttribute}, codes(body), attribute)
		// The scanner keeps the attribute of a tag with many.
		assert.Equal(t, []preflight.Code{preflight.CodeNoTrackAttribute}, codes(strings.Replace(body, "<a", "<a"+strings.Repeat(" x", 100), 1)), attribute)
	}
	for _, attribute := range []string{
		"clicktracking=on", "clicktracking", `data-msys-clicktrack="1"`, "disable-tracking=false", `autotrack="true"`, "class=tracked", "class=untracked-x", "data-track=off",
	} {
		assert.Empty(t, codes("<a "+attribute+` href="https://acme.dev/">x</a>`), attribute)
	}
}

func TestCheckOfUnsubscribeWords(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"Unsubscribe", "Click here to UNSUBSCRIBE", "Un-subscribe", "Unsub", "unsub here", "Opt out", "Stop receiving these emails", "I no longer wish to receive this",
		"Abmelden", "Newsletter-Abmeldung", "Abbestellen", "Désabonnement", "Se désabonner", "Désinscription", "Ne plus recevoir nos offres",
		"Darse de baja", "Desuscribirme", "Desuscribirse", "Cancelar suscripción", "Dejar de recibir correos",
		"descadastre-se", "Descadastrar", "Cancele sua inscrição", "Cancelar inscrição", "Disiscriviti", "Annulla l'iscrizione", "Uitschrijven", "Afmelden",
		"Avregistrera dig", "Wypisz się", "Leiratkozás", "Отписаться", "退订", "取消订阅", "配信停止", "수신거부", "구독 취소",
		"Stop these emails", "Leave this list", "Remove me", "Keine E-Mails mehr", "No deseo recibir más correos", "Donar-me de baixa", "Sair da lista",
		"Meld deg av", "Avslutt abonnement", "Lopeta tilaus", "Rezygnacja z subskrypcji", "Odjavi se", "Отказаться от рассылки", "Відписатися", "Отпиши се",
		"للإلغاء: إلغاء الاشتراك", "להסרה לחצו כאן", "登録解除", "メールの配信を停止する", "구독취소", "Hủy đăng ký", "Berhenti berlangganan", "ยกเลิกการรับข่าวสาร", "सदस्यता समाप्त करें",
		// As they are typed.
		"I don’t want to receive these", "Annulla l’iscrizione", "ABONELİKTEN ÇIK", "Un&shy;subscribe", "uit&#173;schrijven", "De&#769;sabonner",
		"DESABONNER", "Cancelar inscricao", "cancelar suscripcion", "Ｕｎｓｕｂｓｃｒｉｂｅ",
	} {
		assert.Contains(t, codes(`<a href="https://acme.dev/x">`+text+`</a>`), preflight.CodeUnsubscribeTracked, text)
	}
	for _, target := range []string{"unsub_center", "unsub", "unsub?u=1", "?unsub=1", "unsub.aspx", "unsubscribe.php", "optout", "opt-out", "opt_out", "abmeldung", "desabonnement", "d%C3%A9sabonnement", "?a=%D0%BE%D1%82%D0%BF%D0%B8%D1%81%D0%B0%D1%82%D1%8C%D1%81%D1%8F", "un%73ubscribe", "désinscription"} {
		assert.Contains(t, codes(`<a href="https://acme.dev/`+target+`">x</a>`), preflight.CodeUnsubscribeTracked, target)
	}
	for _, text := range []string{"Subscribe", "an unsubstantiated claim", "unsubtle", "Abmessungen", "Manage preferences", "Abonnement", "inscription", "suscribirme", "Remove meat", "100% off"} {
		assert.NotContains(t, codes(`<a href="https://acme.dev/x">`+text+`</a>`), preflight.CodeUnsubscribeTracked, text)
	}
}
