module github.com/nylastrack/nylas-go/inbox

go 1.26.0

require github.com/nylastrack/nylas-go v0.0.0

require (
	github.com/cenkalti/backoff/v5 v5.0.3 // indirect
	github.com/go-json-experiment/json v1.27.2 // indirect
	github.com/google/go-querystring v1.2.0 // indirect
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/time v0.16.0 // indirect
)

replace github.com/nylastrack/nylas-go => ../
