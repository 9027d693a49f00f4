module github.com/nylastrack/nylas-go/dashboard

go 1.26.0

replace (
	github.com/nylastrack/nylas-go => ../
	github.com/nylastrack/nylas-go/engagement/sqlstore => ../engagement/sqlstore
)

require (
	github.com/nylastrack/nylas-go v0.0.0
	github.com/nylastrack/nylas-go/engagement/sqlstore v0.0.0
)

require (
	github.com/go-json-experiment/json v1.27.2 // indirect
	github.com/gofrs/flock v0.13.1 // indirect
	github.com/google/go-querystring v1.2.0 // indirect
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/time v0.16.0 // indirect
)
