package preflight

import "strings"

// unsubscribeWords are in the texts and targets of links to unsubscribe, in small
// letters. One that ends with $ is a word of its own there.
var unsubscribeWords = []string{
	"unsubscribe", "un-subscribe", "unsubscription", "unsub$", "unsub_", "opt-out", "optout", "opt out", "opt_out",
	"stop receiving", "stop getting these", "no longer wish to receive", "do not want to receive", "don't want to receive", "remove me",
	"abmelden", "abmeldung", "abbestellen", "abbestellung", "austragen",
	"désabonne", "desabonne", "désinscri", "desinscri", "ne plus recevoir", "se-desabonner",
	"darse de baja", "darme de baja", "dar de baja", "date de baja", "desuscri", "desubscri", "cancelar suscripción", "cancelar la suscripción",
	"cancelar tu suscripción", "cancelar su suscripción", "anular suscripción", "anular la suscripción", "dejar de recibir",
	"descadastr", "cancelar inscrição", "cancelar a inscrição", "cancelar sua inscrição", "cancele sua inscrição", "cancele a inscrição",
	"cancelar subscrição", "cancelar a subscrição", "anular subscrição", "deixar de receber",
	"disiscri", "annulla iscrizione", "annulla l'iscrizione", "cancella iscrizione", "cancellami",
	"afmelden", "afmelding", "uitschrijven", "avregistrera", "avprenumerera", "avsluta prenumeration", "avmeld", "afmeld", "peruuta tilaus",
	"wypisz", "wypisać", "anuluj subskrypcję", "odhlásit", "odhlásiť", "leiratkoz", "dezabon",
	"отписаться", "отписка", "відписатися", "abonelikten çık", "aboneliği iptal", "κατάργηση εγγραφής", "הסר מרשימת", "إلغاء الاشتراك",
	"退订", "取消订阅", "取消訂閱", "配信停止", "購読解除", "수신거부", "수신 거부", "구독 취소",
}

// unsubscribeStarts are the unsubscribeWords by their first two bytes, so that a text is
// gone over once.
var unsubscribeStarts = func() map[[2]byte][]string {
	starts := make(map[[2]byte][]string)
	for _, word := range unsubscribeWords {
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
	return saysUnsubscribe(strings.ToLower(link.Text)) || saysUnsubscribe(strings.ToLower(link.Target))
}

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
