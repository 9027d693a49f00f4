package preflight

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// unsubscribeWords are in the texts and targets of links to unsubscribe. One that ends with $
// is a word of its own there. Both are compared as fold has them.
var unsubscribeWords = []string{
	"unsubscribe", "un-subscribe", "unsubscription", "unsub$", "unsub_", "opt-out", "optout", "opt out", "opt_out",
	"stop receiving", "stop getting these", "stop these emails", "no longer wish to receive", "do not want to receive", "don't want to receive",
	"remove me$", "leave this list",
	"abmelden", "abmeldung", "abbestellen", "abbestellung", "austragen", "nicht mehr erhalten", "keine e-mails mehr",
	"désabonne", "désinscri", "ne plus recevoir", "se-desabonner",
	"darse de baja", "darme de baja", "dar de baja", "date de baja", "desuscri", "desubscri", "cancelar suscripción", "cancelar la suscripción",
	"cancelar tu suscripción", "cancelar su suscripción", "cancelar mi suscripción", "cancela tu suscripción", "anular suscripción",
	"anular la suscripción", "anular mi suscripción", "dejar de recibir", "no deseo recibir", "no quiero recibir", "no quieres recibir",
	"donar-se de baixa", "donar-me de baixa",
	"descadastr", "cancelar inscrição", "cancelar a inscrição", "cancelar sua inscrição", "cancele sua inscrição", "cancele a inscrição",
	"cancelar subscrição", "cancelar a subscrição", "anular subscrição", "deixar de receber", "não quero receber", "sair da lista", "sair desta lista",
	"disiscri", "annulla iscrizione", "annulla l'iscrizione", "cancella iscrizione", "cancella l'iscrizione", "cancellami", "non ricevere più",
	"afmelden", "afmelding", "uitschrijven", "avregistrera", "avprenumerera", "avsluta prenumeration",
	"avmeld", "afmeld", "frameld", "meld deg av", "avslutt abonnement", "peruuta tilaus", "lopeta tilaus", "peru tilaus",
	"wypisz", "wypisać", "anuluj subskrypcję", "zrezygnuj z subskrypcji", "rezygnacja z subskrypcji", "rezygnuj z newslettera",
	"odhlásit", "odhlásiť", "zrušit odběr", "leiratkoz", "dezabon", "odjavi se", "odjavite se", "odjava s newslettera",
	"atsisakyti prenumeratos", "atrakstīties", "tühista tellimus", "loobu uudiskirjast",
	"отписат", "отписка", "отказаться от рассылки", "відписатися", "відмовитися від розсилки", "отпиши се",
	"abonelikten çık", "aboneliği iptal", "aboneliği sonlandır", "listeden çık", "κατάργηση εγγραφής", "διαγραφή από",
	"הסר מרשימת", "הסרה מרשימת", "להסרה", "إلغاء الاشتراك", "إلغاء الإشتراك", "الغاء الاشتراك", "لغو اشتراک",
	"退订", "取消订阅", "取消訂閱", "配信停止", "配信を停止", "配信解除", "登録解除", "購読解除", "購読を解除",
	"수신거부", "수신 거부", "구독 취소", "구독취소", "구독 해지", "구독해지",
	"hủy đăng ký", "huỷ đăng ký", "berhenti berlangganan", "berhenti melanggan", "ยกเลิกการสมัคร", "ยกเลิกการรับ", "सदस्यता समाप्त", "सदस्यता रद्द",
}

// unsubscribeStarts are the unsubscribeWords by their first two bytes, so that a text is
// gone over once.
var unsubscribeStarts = func() map[[2]byte][]string {
	starts := make(map[[2]byte][]string)
	for _, word := range unsubscribeWords {
		word = fold(word)
		start := [2]byte{word[0], word[1]}
		starts[start] = append(starts[start], word)
	}
	return starts
}()

// startsUnsubscribe has a bit for each second byte of a first one: few texts have to be
// looked up.
var startsUnsubscribe = func() [256][256 / 64]uint64 {
	var bits [256][256 / 64]uint64
	for start := range unsubscribeStarts {
		bits[start[0]][start[1]/64] |= 1 << (start[1] % 64)
	}
	return bits
}()

func isUnsubscribe(link Link) bool {
	if saysUnsubscribe(fold(link.Text)) || saysUnsubscribe(fold(link.Target)) {
		return true
	}
	if strings.IndexByte(link.Target, '%') < 0 {
		return false
	}
	decoded, err := url.PathUnescape(link.Target)
	return err == nil && saysUnsubscribe(fold(decoded))
}

// fold returns a text in small letters, without accents and what nobody sees, so that
// texts are equal however they were typed: Désabonner, DÉSABONNER and desabonner.
func fold(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
		return strings.ToLower(text)
	}
	return strings.Map(func(r rune) rune {
		if r = unicode.ToLower(r); r < utf8.RuneSelf {
			return r
		}
		if plain, ok := withoutAccent[r]; ok {
			return plain
		}
		switch {
		case r == '’' || r == 'ʼ':
			return '\''
		case unicode.In(r, unicode.Mn, unicode.Cf):
			return -1
		case '！' <= r && r <= '～': // ASCII in the width of Chinese letters
			return unicode.ToLower(r - '！' + '!')
		}
		return r
	}, text)
}

// withoutAccent has the letters of unsubscribeWords that are one character with their accent.
var withoutAccent = func() map[rune]rune {
	letters := make(map[rune]rune)
	for _, pair := range []string{
		"aáàâãäåăā", "cçćč", "dđď", "eéèêëěęēẹẻ", "gğ", "iíìîïıī", "lł", "nñńň", "oóòôõöőơ", "rř", "sśšş", "tťţ", "uúùûüůűủưū", "yýỷ", "zžźż",
	} {
		plain, size := utf8.DecodeRuneInString(pair)
		for _, accented := range pair[size:] {
			letters[accented] = plain
		}
	}
	return letters
}()

func saysUnsubscribe(said string) bool {
	for i := 0; i+1 < len(said); i++ {
		start := [2]byte{said[i], said[i+1]}
		if startsUnsubscribe[start[0]][start[1]/64]&(1<<(start[1]%64)) == 0 {
			continue
		}
		for _, word := range unsubscribeStarts[start] {
			word, whole := strings.CutSuffix(word, "$")
			rest, ok := strings.CutPrefix(said[i:], word)
			if ok && (!whole || rest == "" || rest[0] < 'a' || rest[0] > 'z') {
				return true
			}
		}
	}
	return false
}
