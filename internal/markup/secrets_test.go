package markup_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/nylastrack/nylas-go/internal/markup"
)

// Random values of several lengths, and a JSON Web Token.
const (
	random32 = "8f14e45fceea167a5a36dedd4bea2543"
	random16 = "7Hq2Zx9LmW4kRsVn"
	random10 = "Xk29dQpLmz"
	jwt      = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2ln"
)

func TestHoldsSecret(t *testing.T) {
	t.Parallel()
	// Names that mean nothing else.
	for _, target := range []string{
		"?token=a", "?access_token=a", "?id_token=a", "?api_key=a", "?apikey=a", "?password=a", "?passwd=a", "?pwd=a", "?secret=a",
		"?X-Amz-Signature=a", "?otp=a", "?reset_token=a", "?authToken=a", "?accessToken=a", "?resettoken=a", "?APIKey=a", "?apiKey=a",
		"?x-api-key=a", "?xApiKey=a", "?AUTHTOKEN=a", "?oneTimePassword=a", "?new.password=a", "?user[password]=a", "?user%5Breset_token%5D=a",
		"?reset%5Ftoken=a", "?client_secret=a", "?X-Goog-Signature=a", "?%ff%FFtoken%ff=a", "?\xfftoken=a", "?ÄtokenÜToken=a", "?secretKey=a",
		"?oauth2_token=a", "?login_otp=a", "?a=b;token=c", "?a=1&amp;resetToken=c", "#access_token=a", "#/x?reset_token=a", "/a;token=b/c",
	} {
		assert.True(t, holdsSecret(t, "https://acme.dev"+target), target)
	}
	// Names that can mean one, with values that look like one.
	for name, values := range map[string][]string{
		"key": {random32, random16}, "code": {random32, random16, "4/0AX4XfWh3uGqBhDdARIsAFeJ5r1xkPq"}, "session": {random32, "3c9e6a52-7f0b-4d1c-9a8e-2b5d7c4f1e60"},
		"sig": {"Rcp6gQRfV7WDlURdVTqCa%2BqEArnfJxDgE%3D"}, "signature": {random16}, "url_sig": {random16}, "sid": {random32}, "ticket": {"ST-1856339-aA5Yuvrxzpv8Tau1cYQ7"},
		"invite-code": {random10, "493021"}, "inviteCode": {random10}, "invitecode": {random10}, "invitation_code": {random32}, "verification_code": {"493021"},
		"auth_code": {random10}, "one-time-code": {"4930218"}, "confirmation_hash": {random32}, "reset_key": {random10}, "oobCode": {random16},
		"Session-ID": {random32}, "sessionid": {random32}, "PHPSESSID": {random32}, "ASP.NET_SessionId": {random32}, "invite": {random10}, "auth": {random32},
	} {
		for _, value := range values {
			assert.True(t, holdsSecret(t, "https://acme.dev?"+name+"="+value), "%s=%s", name, value)
		}
		for _, value := range []string{"", "1", "true", "a", "12", "SUMMER25", "spring-sale", "BLACKFRIDAY2026", "newsletter-november-2026", "red+shoes", "%2Fa%2F" + random32} {
			assert.False(t, holdsSecret(t, "https://acme.dev?"+name+"="+value), "%s=%s", name, value)
		}
	}
	// Values that are a secret whatever their names are.
	for _, value := range []string{jwt, "eyJhbGciOiJkaXIifQ..aXY.dGV4dA.dGFn", "sk_test_4eC39HqLyjWDarjtT1zdp7dc", "whsec_" + random32, "nyk_v0_" + random32} {
		assert.True(t, holdsSecret(t, "https://acme.dev?x="+value), value)
		assert.True(t, holdsSecret(t, "https://acme.dev/x/"+value), value)
	}
	// Paths of links that work once, with a value that looks random in or behind them.
	for _, path := range []string{
		"/reset", "/Reset-Password", "/resetpassword", "/reset_password", "/resetPassword", "/passwordreset", "/password_resets",
		"/verify_email", "/verifyemail", "/verifyEmailAddress", "/email-verification", "/magic", "/magic-link", "/magiclink", "/magic_login",
		"/invite", "/accept-invite", "/invitations", "/team-invite", "/confirm", "/confirm-email", "/activate-account", "/v2/reset%2Dpassword",
		"/reset-your-password", "/verify.php", "/verify2", "/login", "/sso", "/#/reset-password", "/#!/verify",
	} {
		assert.False(t, holdsSecret(t, "https://acme.dev"+path), path)
		assert.False(t, holdsSecret(t, "https://acme.dev"+path+"/friends?ref=SUMMER25&utm_id="+random32+"&fbclid="+random32), path)
		assert.True(t, holdsSecret(t, "https://acme.dev"+path+"/"+random10), path)
		assert.True(t, holdsSecret(t, "https://acme.dev"+path+"/42/"+random32+"/edit"), path)
		assert.True(t, holdsSecret(t, "https://acme.dev"+path+"?x=1&t="+random10), path)
		assert.True(t, holdsSecret(t, "https://acme.dev"+path+"?code=493021"), path)
	}
	assert.True(t, holdsSecret(t, "https://acme.dev/;jsessionid=1E6FEC0D14D044541DD84D2D013D29ED?x=y"))
	for _, target := range []string{
		"", "?", "?token", "?token=", "?token=1", "?reset_password=true", "?monkey=a", "?keyboard=a", "?assign=a", "?design=a", "?keys=a", "?turkey=a",
		"?passkey=a", "?zip_code=a", "?zipcode=a", "?promo_code=a", "?promoCode=a", "?discount-code=a", "?country_code=a", "?postcode=a", "?qrcode=a",
		"?unicode=a", "?encode=a", "?sort_key=a", "?primaryKey=a", "?keyword=a", "?token_type=a", "?password-hint=a", "?signature_version=a",
		"?session_type=a", "?training_session=a", "?sessions=a", "?obsession=a", "?tokens=a", "?insight=a", "?signal=a", "?significant=a", "?tokenizer=a",
		"?secretary=a", "?hotpot=a", "?codec=a", "?utm_source=a", "?reset_filters=a", "?q=token", "?q=password", "?url=eyJ.a", "#verify", "#reset-password",
		"?promo_code=" + random16, "?tracking_code=" + random16, "?x=" + random32, "/" + random32, "?gclid=" + random32,
	} {
		assert.False(t, holdsSecret(t, "https://acme.dev"+target), target)
	}
	// Paths that are none of those, whatever stands behind them.
	for _, path := range []string{
		"/inviting", "/presets", "/invitee-list", "/verified", "/verifying-facts", "/magic-kingdom", "/magic-the-gathering", "/how-to-reset-your-router",
		"/10-ways-to-verify-a-claim", "/order-confirmation", "/confirmed", "/activation-of-neurons", "/unresettable", "/password", "/token", "/magician",
		"/key/code", "/accounting",
	} {
		assert.False(t, holdsSecret(t, "https://acme.dev"+path), path)
		assert.False(t, holdsSecret(t, "https://acme.dev"+path+"/"+random16+"?x="+random16), path)
	}
	// Links that count clicks sign where they lead, and their tokens hold it.
	const redirectJWT = "eyJhbGciOiJIUzI1NiJ9.eyJyIjoiaHR0cHM6Ly9hY21lLmRldi8ifQ.c2ln" // {"r":"https://acme.dev/"}
	for _, target := range []string{
		"?redirectUrl=aHR0cHM6Ly9hY21lLmRldg==&sig=" + random32, "?out=%68ttps%3A%2F%2Fb.dev&key=" + random32, "?adurl=x&sig=" + random32,
		"?u=https://b.dev/&signature=" + random16, "?t=" + redirectJWT, "/x/" + redirectJWT, "/confirm/terms.html?data=" + random32, "?apikey=kim@acme.dev",
		"?code=eP6K4P94?mwmw221499", "/te/c/eyJpdiI6IktTIn0.b.c", "/te/c/eyJpdiI6IktTIn0=?signature=" + random32 + "#x=y", "/Confirm/Terms_ES.html/" + random32,
	} {
		assert.False(t, holdsSecret(t, "https://acme.dev"+target), target)
	}
	for _, target := range []string{"?url=https://b.dev/&token=a", "?redirect=/&code=" + jwt, "/confirm/edit?data=" + random32, "/confirm.php?data=" + random32} {
		assert.True(t, holdsSecret(t, "https://acme.dev"+target), target)
	}
	assert.False(t, holdsSecret(t, "mailto:kim@acme.dev?subject=Your%20token&amp;body=a"))
}

func holdsSecret(t *testing.T, target string) bool {
	t.Helper()
	u, err := url.Parse(html.UnescapeString(target))
	require.NoError(t, err)
	return markup.HoldsSecret(u)
}
