package telemetry

import "context"

// Attempt is one request of a call of the client. The client puts it into the context of the
// request, because a round tripper sees only the URL, which has ids.
type Attempt struct {
	Path   string // the template of the path, such as "/v3/grants/{grant_id}/messages/send"
	Number int    // counts from 1
}

type attemptKey struct{}

// WithAttempt returns a context that has the attempt.
func WithAttempt(ctx context.Context, attempt Attempt) context.Context {
	return context.WithValue(ctx, attemptKey{}, attempt)
}

// AttemptOf returns the attempt of a request, and whether the client made the request.
func AttemptOf(ctx context.Context) (Attempt, bool) {
	attempt, ok := ctx.Value(attemptKey{}).(Attempt)
	return attempt, ok
}
