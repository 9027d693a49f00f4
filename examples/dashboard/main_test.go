package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/examples/internal/program"
	"github.com/nylastrack/nylas-go/nylastest"
)

// asProgram lets the binary of the tests be the program.
const asProgram = "DASHBOARD_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// start runs the program on free ports, with args to change that.
func start(t *testing.T, env map[string]string, args ...string) *program.Program {
	t.Helper()
	args = append([]string{"-addr", "127.0.0.1:0", "-receive", "127.0.0.1:0", "-emulator", "127.0.0.1:0", "-every", "0"}, args...)
	return program.Start(t, func(ctx context.Context, stdout *program.Program) error {
		return run(ctx, args, func(name string) string { return env[name] }, stdout)
	})
}

// pages returns the URL of the pages, without a slash at its end.
func pages(p *program.Program) string { return found(p.Await("The dashboard is at ")) }

// found returns the last URL of a line, without a slash at its end.
func found(line string) string {
	all := regexp.MustCompile(`http\S+`).FindAllString(line, -1)
	return strings.TrimSuffix(all[len(all)-1], "/")
}

// get returns the status and the body of a page.
func get(t *testing.T, url string, change ...func(*http.Request)) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	for _, c := range change {
		c(request)
	}
	response, err := new(http.Client).Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(body)
}

// freeAddress returns an address that is free, for a program that is to listen there twice.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}

func TestSettings(t *testing.T) {
	t.Parallel()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, taken.Close()) })
	account := map[string]string{"NYLAS_API_KEY": "nyk_secret", "NYLAS_GRANT_ID": "g", "NYLAS_WEBHOOK_URL": "https://acme.dev/webhooks/nylas"}
	for name, test := range map[string]struct {
		env  map[string]string
		args []string
		want string
	}{
		"argument":     {args: []string{"now"}, want: `unexpected argument "now"`},
		"negative":     {args: []string{"-every", "-1s"}, want: "-every is negative"},
		"no key":       {env: map[string]string{"NYLAS_GRANT_ID": "g"}, want: "NYLAS_API_KEY is not set"},
		"no grant":     {env: map[string]string{"NYLAS_API_KEY": "nyk_secret", "NYLAS_WEBHOOK_URL": "u"}, want: "set NYLAS_GRANT_ID and NYLAS_WEBHOOK_URL too"},
		"weak":         {env: map[string]string{"DASHBOARD_PASSWORD": "secret"}, want: "at least 15 characters"},
		"all":          {args: []string{"-addr", ":0"}, want: "set DASHBOARD_PASSWORD, or use a loopback address"},
		"all of v4":    {args: []string{"-addr", "0.0.0.0:0"}, want: "set DASHBOARD_PASSWORD, or use a loopback address"},
		"taken":        {args: []string{"-addr", taken.Addr().String()}, want: "address already in use"},
		"no folder":    {args: []string{"-data", "/dev/null/mail"}, want: "/dev/null"},
		"odd database": {env: map[string]string{"DATABASE_URL": "postgres://u:secret@[::1/d"}, want: "DATABASE_URL cannot be read"},
		"no database": {env: with(account, "DATABASE_URL", "postgres://u:secret@"+freeAddress(t)+"/d?connect_timeout=2"),
			want: "the database of DATABASE_URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout strings.Builder
			args := append([]string{"-addr", "127.0.0.1:0", "-receive", "127.0.0.1:0", "-emulator", "127.0.0.1:0"}, test.args...)
			err := run(t.Context(), args, func(name string) string { return test.env[name] }, &stdout)
			require.ErrorContains(t, err, test.want)
			assert.NotContains(t, err.Error()+stdout.String(), "secret")
		})
	}
}

func with(env map[string]string, name, value string) map[string]string {
	changed := map[string]string{name: value}
	for k, v := range env {
		changed[k] = v
	}
	return changed
}

// A default that is taken becomes a free port. One that the user gave, or that earlier mail
// has, is an error.
func TestTakenAddress(t *testing.T) {
	t.Parallel()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = taken.Close() }()
	another, err := address{hostport: taken.Addr().String()}.listen(t.Context())
	require.NoError(t, err)
	assert.NotEqual(t, taken.Addr().String(), another.Addr().String())
	require.NoError(t, another.Close())
	for _, args := range [][]string{{"-addr", "127.0.0.1:1"}, {"-data", "mail"}} {
		set, err := parse(args, func(string) string { return "" }, io.Discard)
		require.NoError(t, err)
		assert.True(t, set.pages.fixed, args)
		assert.Equal(t, args[0] == "-data", set.emulator.fixed, args)
	}
	set, err := parse(nil, func(string) string { return "" }, io.Discard)
	require.NoError(t, err)
	assert.False(t, set.pages.fixed || set.receive.fixed || set.emulator.fixed)
}

// Without a password only this machine is answered, and by its own name.
func TestWithoutPassword(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	url := pages(p)
	for _, path := range []string{"/", "/metrics", "/healthz/receiver", "/healthz/inbox"} {
		status, _ := get(t, url+path)
		assert.Equal(t, http.StatusOK, status, path)
		status, _ = get(t, url+path, func(r *http.Request) { r.Host = "mail.example" })
		assert.Equal(t, http.StatusMisdirectedRequest, status, path)
	}
	p.End()
}

func TestWithPassword(t *testing.T) {
	t.Parallel()
	const password = "correct horse battery"
	p := start(t, map[string]string{"DASHBOARD_PASSWORD": password}, "-addr", "0.0.0.0:0")
	_, port, err := net.SplitHostPort(strings.TrimPrefix(pages(p), "http://"))
	require.NoError(t, err)
	url := "http://127.0.0.1:" + port
	for _, path := range []string{"/", "/metrics", "/healthz/receiver", "/healthz/inbox", "/assets/page.css"} {
		status, body := get(t, url+path)
		assert.Equal(t, http.StatusUnauthorized, status, path)
		assert.Equal(t, "The password is missing or wrong.\n", body)
		status, _ = get(t, url+path, func(r *http.Request) { r.SetBasicAuth("leyah", password+"!") })
		assert.Equal(t, http.StatusUnauthorized, status, path)
		status, _ = get(t, url+path, func(r *http.Request) {
			r.SetBasicAuth("leyah", password)
			r.Host = "mail.example"
		})
		assert.Equal(t, http.StatusOK, status, path)
	}
	p.End()
	assert.NotContains(t, p.Output(), password)
}

// A page that somebody looks at keeps its stream longer than a webhook may take.
func TestStreamLasts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network := nylastest.NewNetwork()
		listener, err := network.Listen("pages.test")
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() {
			served <- servePages(ctx, listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				select {
				case <-time.After(time.Hour):
					_, _ = io.WriteString(w, "an hour later")
				case <-r.Context().Done():
				}
			}))
		}()
		client := &http.Client{Transport: &http.Transport{DialContext: network.DialContext, DisableKeepAlives: true}}
		answer, err := client.Get("http://pages.test/")
		require.NoError(t, err)
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		assert.Equal(t, "an hour later", string(body))

		silent, err := network.DialContext(t.Context(), "", "pages.test")
		require.NoError(t, err)
		start := time.Now()
		_, err = io.Copy(io.Discard, silent)
		require.NoError(t, err)
		assert.Equal(t, pagesHeaderTimeout, time.Since(start))
		require.NoError(t, silent.Close())
		stop()
		require.NoError(t, <-served)
	})
}

// What Nylas reaches shows no page, so a tunnel to it opens nothing else.
func TestTunnelShowsNoPages(t *testing.T) {
	t.Parallel()
	receive := freeAddress(t)
	p := start(t, nil, "-receive", receive)
	p.Await("It shows")
	for _, path := range []string{"/", "/metrics", "/healthz/inbox", "/assets/page.css", "/compose"} {
		status, _ := get(t, "http://"+receive+path)
		assert.Equal(t, http.StatusNotFound, status, path)
	}
	status, challenge := get(t, "http://"+receive+webhookPath+"?challenge=abc")
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, "abc", challenge)
	p.End()
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	p.Await("It shows")
	_, shown := get(t, pages(p)+"/metrics")
	for _, line := range []string{
		`(?m)^http_client_request_duration_seconds_count\{.*url_template="/v3/grants/\{grant_id\}/messages/send"\} 40$`,
		`(?m)^http_server_request_duration_seconds_count\{.*http_route="/webhooks/nylas".*\} \d+$`,
		`(?m)^messaging_process_duration_seconds_count\{.*nylas_notification_type="message.link_clicked".*\} \d+$`,
		`(?m)^nylas_inbox_healthy(_ratio)? 1$`,
	} {
		assert.True(t, regexp.MustCompile(line).MatchString(shown), line)
	}
	p.End()
}

// Some of the mail bounces, and the page of its campaign says so.
func TestBounces(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	p.Await("It shows")
	home := pages(p)
	bounced := regexp.MustCompile(`Bounced, and in no share(?:<[^>]*>|\s)*[1-9]`)
	require.Eventually(t, func() bool {
		return slices.ContainsFunc(campaigns, func(c campaign) bool {
			_, page := get(t, home+"/campaign?name="+url.QueryEscape(c.mail.label))
			return bounced.MatchString(page)
		})
	}, 20*time.Second, 50*time.Millisecond)
	p.End()
}
