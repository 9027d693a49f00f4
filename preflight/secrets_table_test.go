package preflight_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/preflight"
)

// harmless are links as marketing and transactional mail has them: whoever has one can
// read a page, and no more. Those without another remark were written down before the
// check was.
var harmless = []string{
	// Codes, sessions and keys that mean something else.
	"https://shop.acme.dev/?code=SUMMER25", "https://shop.acme.dev/sale?code=BLACKFRIDAY2026", "https://acme.dev/checkout?code=WELCOME-10-OFF",
	"https://acme.dev/?promo_code=KIM20", "https://acme.dev/?discount-code=SPRING", "https://acme.dev/shipping?zip_code=10115",
	"https://acme.dev/?country_code=DE", "https://acme.dev/?coupon=8KX2-P9QM-44TR", "https://acme.dev/p?code=WX-4500-BLK-32GB",
	"https://events.acme.dev/?session=spring-sale", "https://events.acme.dev/agenda?session=keynote-2026", "https://events.acme.dev/agenda?session_id=412",
	"https://events.acme.dev/agenda?session=b2b-saas-growth-2026", "https://acme.dev/search?key=red+shoes", "https://acme.dev/piano?key=c-minor",
	"https://acme.dev/list?sort_key=price", "https://acme.dev/?key=newsletter-november-2026", "https://events.acme.dev/?access_code=WEBINAR2026",
	"https://acme.dev/?invite_code=TEAM-BERLIN", "https://acme.dev/?invite=friends-and-family", "https://events.acme.dev/?registration_code=EARLYBIRD",
	"https://acme.dev/pens?signature=classic-blue", "https://acme.dev/?auth=required", "https://acme.dev/music?signature=four-four-time",

	// Paths that name what others do once.
	"https://acme.dev/invite", "https://acme.dev/invite/", "https://acme.dev/invite?ref=kim", "https://acme.dev/invite/friends", "https://acme.dev/confirm",
	"https://acme.dev/confirm?date=2026-11-29", "https://acme.dev/reset-password", "https://acme.dev/account/reset", "https://acme.dev/verify",
	"https://acme.dev/certification/verify.asp", "https://acme.dev/certification/verify.asp?id=4711", "https://acme.dev/blog/verify-email-addresses-in-go",
	"https://acme.dev/how-to-reset-your-router", "https://acme.dev/magic", "https://acme.dev/magic/cards/black-lotus", "https://acme.dev/login",
	"https://acme.dev/login?next=/orders/2026-11-29/details", "https://acme.dev/signin?return_to=https%3A%2F%2Facme.dev%2Fapp%2Freports",
	"https://acme.dev/activate?plan=pro-2026-annual", "https://acme.dev/order-confirmation/100482913", "https://acme.dev/recovery/after-a-marathon",
	"https://acme.dev/confirm/booking?hotel=adlon-kempinski", "https://acme.dev/invitations/templates/birthday-2026",
	"https://acme.dev/invite?utm_source=mail&utm_campaign=q4-2026-b2b&utm_id=9f86d081884c7d65",
	"https://acme.dev/login?fbclid=IwAR0a9Zx7Qm3LkT5vBn8Wc2Ed4Rf6Yg1Hj0Ui", "https://acme.dev/token", "https://acme.dev/blog/what-is-a-token",

	// Parameters by which senders and shops count.
	"https://acme.dev/?utm_source=newsletter&utm_medium=email&utm_campaign=2026_11_black_friday&utm_content=hero-button",
	"https://acme.dev/?gclid=Cj0KCQiA3uGqBhDdARIsAFeJ5r1xkPq", "https://acme.dev/?mc_cid=9a3b5c7d1e&mc_eid=f0e1d2c3b4a5", "https://acme.dev/?_hsenc=p2ANqtz-9xQ2mTz7RkLw3VbN8sYc",
	"https://acme.dev/?mkt_tok=NTg5LVhZWi0xMjMAAAGQ2vT3Kd8", "https://acme.dev/?msclkid=5f2a9c4e7b1d4a3f8e6c0b9d2a7f1e3c", "https://click.acme.dev/?e=Zm9vYmFyMTIz&c=48291",
	"https://acme.dev/?cid=em-2026-11-29-a-1", "https://acme.dev/products/4711?variant=40192837465", "https://acme.dev/?ref=kim-townsend", "https://acme.dev/?sku=A1B2-C3D4",

	// Pages that have ids, of which everybody may know.
	"https://www.youtube.com/watch?v=dQw4w9WgXcQ", "https://docs.google.com/document/d/1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms/edit",
	"https://calendly.com/kim-acme/30min?month=2026-11", "https://github.com/acme/app/commit/9fceb02d0ae598e95dc970b74767f19372d61af8",
	"https://www.ups.com/track?tracknum=1Z999AA10123456784", "https://acme.dev/track?tracking_code=1Z999AA10123456784", "https://maps.google.com/?q=52.52,13.405&z=12",
	"https://acme.dev/orders/100482913", "https://acme.dev/invoices/INV-2026-00412.pdf", "https://cdn.acme.dev/assets/app.3f9a1c7e5b2d.css",
	"https://acme.dev/posts/3c9e6a52-7f0b-4d1c-9a8e-2b5d7c4f1e60", "https://acme.dev/unsubscribe?u=f0e1d2c3b4a5968778695a4b", "https://acme.dev/#pricing", "https://acme.dev/#/plans/pro",
	"https://acme.dev/design?assign=monkey&keyboard=qwertz", "https://acme.dev/?token_type=erc20", "https://acme.dev/?q=password", "https://acme.dev/help/change-your-password",
	"https://acme.dev/survey?rating=9&customer=100482", "https://acme.dev/webinars/2026-11-29T10:00:00Z", "https://maps.apple.com/?ll=48.137154,11.576124",
	"mailto:kim@acme.dev?subject=Your%20access%20token", "tel:+4930123456",

	// Written down after the check was.
	"https://join.acme.dev/confirm/newsletter/thank-you-2026", "https://acme.dev/verify/how-it-works", "https://acme.dev/?code=GET20OFF",
	"https://acme.dev/?code=XMAS-2026-VIP-30", "https://acme.dev/?key=accounting-software-comparison-2026", "https://acme.dev/oauth",
	"https://acme.dev/magic/2026-collection-b/winter", "https://acme.dev/confirm?order=1004829134", "https://acme.dev/verify?id=100482",
	"https://acme.dev/sso", "https://acme.dev/auth/login?utm_campaign=aB3dE9xQ7mKp2n", "https://acme.dev/reset?plan=team-2026-q1",
	"https://acme.dev/invite/iphone15-pro-max", "https://acme.dev/confirm/RES20261129B", "https://acme.dev/confirm/ABC-4711",
	"https://acme.dev/invite?event=ki-summit-2026-muenchen-3b", "https://acme.dev/activate/card", "https://acme.dev/login?lang=de_DE",
	"https://acme.dev/login?tenant=acme-prod-eu1", "https://acme.dev/unlock/level-3-rewards", "https://acme.dev/ticket?ticket=early-access",
	"https://acme.dev/?ticket=4711", "https://acme.dev/?sid=12", "https://acme.dev/?session=A12", "https://acme.dev/?session=2026-11-29-t3-s2-r4-x1-b2",
	"https://acme.dev/?confirmation=ZX81Q7", "https://acme.dev/?code=9783161484100", "https://acme.dev/gift?gift_code=HAPPY2026",
	"https://acme.dev/?time_code=00-12-44", "https://acme.dev/?account_code=4400-10", "https://acme.dev/?account_key=primary",
	"https://acme.dev/?security_code=required", "https://acme.dev/?license_key=about", "https://acme.dev/certifications/verify/?badge=aws-2026",
	"https://acme.dev/confirm?date=2026-11-29T10:00", "https://acme.dev/confirm?slot=20261129T1000Z",
	"https://acme.dev/login?redirect=%2Forders%2F1Z999AA10123456784", "https://acme.dev/login?return=dashboard2026v2beta3",
	"https://acme.dev/invite?by=kim.townsend@acme.dev", "https://acme.dev/invite/3d-printing-meetup", "https://acme.dev/?code=sommerschlussverkauf2026",
	"https://acme.dev/?key=rechtsschutzversicherungsvergleich", "https://acme.dev/?session=datenschutzgrundverordnung",
}

// secret are links with which whoever has one can act for somebody. The values were made
// up, in the shapes that programs make.
var secret = []string{
	// Resetting, confirming, inviting, signing in.
	"https://acme.dev/reset-password/3f9a1c7e5b2d8046f1a3c5e7b9d2f406", "https://acme.dev/reset?t=Zk3Qm9Xw2Lr7Tn5Vb8Yc", "https://acme.dev/password_resets/Xk29dQpLmz/edit",
	"https://acme.dev/reset-password?token=9c1185a5c5e9fc54612808977ee8f548b2258d31", "https://acme.dev/?reset_password_token=yZ3Qk9wMx2LrTn5VbYc",
	"https://acme.dev/account/verify/3c9e6a52-7f0b-4d1c-9a8e-2b5d7c4f1e60", "https://acme.dev/verify-email?id=8f14e45fceea167a5a36dedd4bea2543&u=42",
	"https://acme.dev/confirm/Q2xhcmE6MTIzNDU2Nzg5MGFiY2Q", "https://acme.dev/users/confirmation?confirmation_token=sVnT7q2Zx9LmW4kR", "https://acme.dev/activate/aB3dE9xQ7mKp",
	"https://acme.dev/magic-link/7Hq2Zx9LmW4kRsVnT5pB", "https://acme.dev/magic?k=7Hq2Zx9LmW4kRsVnT5pB", "https://acme.dev/login/9fceb02d0ae598e95dc970b7", "https://acme.dev/invite/aB3dE9xQ",
	"https://acme.slack.com/join/shared_invite/zt-2k9x7q1mf-Qm3LkT5vBn8Wc2Ed4Rf6Yg", "https://acme.dev/accept-invite?invitation=7Hq2Zx9LmW4k", "https://acme.dev/#/reset-password/9c1185a5c5e9fc54",
	"https://acme.dev/verify?code=493021", "https://acme.dev/?verification_code=493021", "https://acme.dev/?otp=493021", "https://acme.dev/?login_code=X7kP2mQ9",
	"https://acme.dev/recover?ticket=ST-1856339-aA5Yuvrxzpv8Tau1cYQ7", "https://acme.dev/auth/callback?code=4/0AX4XfWh3uGqBhDdARIsAFeJ5r1xkPq", "https://acme.dev/?code=SplxlOBeZQQYbYS6WxSbIA",

	// Tokens and keys.
	"https://acme.dev/?token=abc", "https://acme.dev/#access_token=2YotnFZFEjr1zCsicMWpAA&token_type=bearer", "https://acme.dev/#id_token=x.y",
	"https://acme.dev/?x=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl", "https://acme.dev/s/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl",
	"https://api.acme.dev/report?api_key=d41d8cd98f00b204", "https://maps.acme.dev/?key=AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY", "https://acme.dev/?apikey=a1",
	"https://acme.dev/?k=sk_test_4eC39HqLyjWDarjtT1zdp7dc", "https://acme.dev/hook/whsec_9f86d081884c7d659a2feaa0c55ad015", "https://acme.dev/?auth=9f86d081884c7d659a2feaa0c55ad015",
	"https://zoom.us/j/98765432101?pwd=ZGlkIHlvdSBkZWNvZGU", "https://acme.dev/?password=hunter2", "https://acme.dev/?client_secret=x1", "https://acme.dev/app;jsessionid=1E6FEC0D14D044541DD84D2D013D29ED",
	"https://acme.dev/?PHPSESSID=el4ukv0kqbvoirg7nkp4dncpk3", "https://acme.dev/?session=3c9e6a52-7f0b-4d1c-9a8e-2b5d7c4f1e60",

	// Signed URLs.
	"https://acme.s3.amazonaws.com/a.pdf?X-Amz-Expires=300&X-Amz-Signature=fe5f80f77d5fa3beca038a248ff027d0445342fe2855ddc963176630326f1024",
	"https://storage.googleapis.com/acme/a.pdf?X-Goog-Signature=247a2aa45f169edf", "https://acme.blob.core.windows.net/a?sp=r&se=2026-11-30&sig=Rcp6gQRfV7WDlURdVTqCa%2BqEArnfJxDgE%2BKH3TCChIs%3D",
	"https://d1.cloudfront.net/a.pdf?Expires=1796000000&Signature=nitfHRCrtziwO2HwPfWw~yYDhUF5EwRunQA-j19DzZrvDh6hQ73lDx&Key-Pair-Id=APKA9ONS7QCOWEXAMPLE",
	"https://acme.dev/download?file=42&signature=8f14e45fceea167a5a36dedd4bea2543",

	// Written down after the check was.
	"https://acme.dev/?auth_token=7b3", "https://acme.dev/u/confirm?hash=098f6bcd4621d373cade4e832627b4f6",
	"https://acme.dev/password/reset/098f6bcd4621d373cade4e832627b4f6?email=kim%40acme.dev",
	"https://acme.dev/wp-login.php?action=rp&key=Kx9LmW4kRsVnT5pB7Hq2&login=kim", "https://acme.dev/reset/qmxkvbzwjrtpnhdlgfsc",
	"https://acme.dev/reset/MZXW6YTBOI2DKNRX", "https://acme.dev/__/auth/action?mode=resetPassword&oobCode=ABCDEFghij12kL34mn56OPqr",
	"https://acme.firebaseapp.com/?oobCode=Zk3Qm9Xw2Lr7Tn5Vb8Yc", "https://acme.dev/auth/v1/verify?token=pkce_1a2b3c&type=magiclink",
	"https://acme.dev/api/auth/callback/email?callbackUrl=https%3A%2F%2Facme.dev&token=9c1185a5c5e9fc54612808977ee8f548b2258d31&email=a%40b.de",
	"https://acme.dev/users/invitation/accept?invitation_token=7Hq2Zx9LmW4k", "https://acme.dev/invite/3c9e6a52-7f0b-4d1c-9a8e-2b5d7c4f1e60",
	"https://acme.dev/email/verify/42/8f14e45fceea167a5a36dedd4bea2543?expires=1796000000&signature=8f14e45fceea167a5a36dedd4bea2543",
	"https://acme.dev/signin?code=8kD2pQ", "https://acme.dev/login/magic/xoQ2", "https://acme.dev/verify/482913", "https://acme.dev/?passcode=abc",
	"https://acme.dev/?accessKey=zz9", "https://acme.dev/?auth_key=zz9", "https://acme.dev/?X-Amz-Security-Token=IQoJb3JpZ2luX2Vj",
	"https://acme.dev/?hmac=ff",
}

// The precision and the recall of [preflight.CodeURLSecret] on the links above.
func TestSecretsInLinks(t *testing.T) {
	t.Parallel()
	const minPrecision, minRecall = 0.95, 0.9
	require.Greater(t, len(harmless), 60)
	require.Greater(t, len(secret), 40)
	found, falseAlarms := 0, 0
	for _, target := range secret {
		if isFlagged(target) {
			found++
		} else {
			t.Log("missed:", target)
		}
	}
	for _, target := range harmless {
		if isFlagged(target) {
			falseAlarms++
			t.Log("false alarm:", target)
		}
	}
	precision := float64(found) / float64(found+falseAlarms)
	recall := float64(found) / float64(len(secret))
	t.Logf("precision %.3f, recall %.3f", precision, recall)
	assert.GreaterOrEqual(t, precision, minPrecision)
	assert.GreaterOrEqual(t, recall, minRecall)
}

// isFlagged reports whether the check takes a link for one with a secret.
func isFlagged(target string) bool {
	body := `<a href="` + strings.ReplaceAll(target, "&", "&amp;") + `">x</a>`
	return count(codes(body), preflight.CodeURLSecret) > 0
}
