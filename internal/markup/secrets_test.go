package markup_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/nylastrack/nylas-go/internal/markup"
)

func TestHoldsSecret(t *testing.T) {
	t.Parallel()
	for _, target := range []string{
		"?token=a", "?access_token=a", "?id_token=a", "?api_key=a", "?apikey=a", "?key=a", "?password=a", "?passwd=a", "?pwd=a", "?secret=a",
		"?sig=a", "?signature=a", "?X-Amz-Signature=a", "?code=a", "?otp=a", "?session=a", // as they are

		"?reset_token=a", "?authToken=a", "?accessToken=a", "?resettoken=a", "?APIKey=a", "?apiKey=a", "?x-api-key=a", "?xApiKey=a", "?AUTHTOKEN=a",
		"?invite-code=a", "?inviteCode=a", "?invitecode=a", "?invitation_code=a", "?verification_code=a", "?auth_code=a", "?one-time-code=a",
		"?oneTimePassword=a", "?new.password=a", "?user[password]=a", "?user%5Breset_token%5D=a", "?reset%5Ftoken=a", "?Session-ID=a",
		"?sessionid=a", "?PHPSESSID=a", "?ASP.NET_SessionId=a", "?confirmation_hash=a", "?client_secret=a", "?X-Goog-Signature=a", "?url_sig=a",
		"?reset_key=a", "?%ff%FFtoken%ff=a", "?\xfftoken=a", "?ÄtokenÜToken=a", "?secretKey=a", "?invite=a", "?oauth2_token=a", "?login_otp=a", "?a=b;token=c", "?a=1&amp;resetToken=c",
		"#access_token=a", "#/reset-password/a", "#!/verify?x=1", "#/x?reset_token=a", "/;jsessionid=A1?x=y", "/a;token=b/c",

		"/reset", "/Reset-Password/a", "/resetpassword/", "/reset-password", "/reset_password/a", "/resetPassword", "/passwordreset/a", "/password_resets/a/edit",
		"/verify_email", "/verifyemail", "/verifyEmailAddress/a", "/email-verification/a", "/magic", "/magic-link/a", "/magiclink", "/magic_login",
		"/invite/a", "/accept-invite", "/invitations/a", "/team-invite/a", "/confirm", "/confirm-email/a", "/activate-account", "/v2/reset%2Dpassword",
		"/reset-your-password", "/verify.php", "/verify2/a",
		"/eyJhbGciOiJkaXIifQ..aXY.dGV4dA.dGFn",
	} {
		assert.True(t, holdsSecret(t, "https://acme.dev"+target), target)
	}
	for _, target := range []string{
		"", "?", "?token", "?token=", "?token=1", "?reset_password=true", "?monkey=a", "?keyboard=a", "?assign=a", "?design=a", "?keys=a", "?turkey=a",
		"?passkey=a", "?zip_code=a", "?zipcode=a", "?promo_code=a", "?promoCode=a", "?discount-code=a", "?country_code=a", "?postcode=a", "?qrcode=a",
		"?unicode=a", "?encode=a", "?sort_key=a", "?primaryKey=a", "?keyword=a", "?token_type=a", "?password-hint=a", "?signature_version=a",
		"?session_type=a", "?training_session=a", "?sessions=a", "?obsession=a", "?tokens=a", "?insight=a", "?signal=a", "?significant=a", "?tokenizer=a",
		"?secretary=a", "?hotpot=a", "?codec=a", "?utm_source=a", "?reset_filters=a", "?q=token", "?q=password", "?url=eyJ.a", "#verify", "#reset-password",
		"/inviting", "/presets", "/invitee-list", "/verified", "/verifying-facts", "/magic-kingdom", "/magic-the-gathering", "/how-to-reset-your-router",
		"/10-ways-to-verify-a-claim", "/order-confirmation", "/confirmed", "/activation-of-neurons", "/unresettable", "/password", "/token", "/magician",
		"/key/code", "/accounting",
	} {
		assert.False(t, holdsSecret(t, "https://acme.dev"+target), target)
	}
	assert.False(t, holdsSecret(t, "mailto:kim@acme.dev?subject=Your%20token&amp;body=a"))
}

func holdsSecret(t *testing.T, target string) bool {
	t.Helper()
	u, err := url.Parse(html.UnescapeString(target))
	require.NoError(t, err)
	return markup.HoldsSecret(u)
}
