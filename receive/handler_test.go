package receive_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/receive"
)

func TestHandlerFunc(t *testing.T) {
	t.Parallel()
	type key struct{}
	want := errors.New("outcome")
	d := receive.NewDelivery(openedBody("n-1"), "")
	err := receive.HandlerFunc(func(ctx context.Context, got *receive.Delivery) error {
		assert.Equal(t, "value", ctx.Value(key{}))
		assert.Same(t, d, got)
		return want
	}).HandleDelivery(context.WithValue(t.Context(), key{}, "value"), d)
	assert.Same(t, want, err)
}

func TestPermanent(t *testing.T) {
	t.Parallel()
	require.NoError(t, receive.Permanent(nil))

	cause := &applicationError{}
	err := receive.Permanent(cause)
	require.ErrorIs(t, err, receive.ErrPermanent)
	require.ErrorIs(t, err, cause)
	found, ok := errors.AsType[*applicationError](err)
	require.True(t, ok)
	assert.Same(t, cause, found)
	assert.Equal(t, cause.Error(), err.Error(), "the mark is for machines")

	require.NotErrorIs(t, cause, receive.ErrPermanent)
	assert.ErrorIs(t, receive.Permanent(err), receive.ErrPermanent)
}

// applicationError is an error of an application.
type applicationError struct{}

func (*applicationError) Error() string { return "no such message" }
