package anon_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/internal/anon"
)

const private = "kim.townsend@example.org"

// TestWithoutURL takes off every wrapping that names a URL, and nothing else.
func TestWithoutURL(t *testing.T) {
	t.Parallel()
	cause := errors.New("connection refused")
	inner := &url.Error{Op: "Get", URL: "https://api.example/" + private, Err: cause}
	for _, err := range []error{
		inner, fmt.Errorf("round trip: %w", inner), &url.Error{Op: "Post", URL: private, Err: fmt.Errorf("proxy: %w", inner)},
	} {
		got := anon.WithoutURL(err)
		require.Equal(t, cause, got)
		assert.NotContains(t, got.Error(), private)
	}
	path := &fs.PathError{Op: "open", Path: "f", Err: fs.ErrNotExist}
	for _, err := range []error{nil, cause, fmt.Errorf("wrapped: %w", cause), path, &url.Error{Op: "Get", URL: "x"}} {
		assert.Equal(t, err, anon.WithoutURL(err))
	}
}

// TestWithoutPath takes off what names a file too, also below a URL.
func TestWithoutPath(t *testing.T) {
	t.Parallel()
	path := &fs.PathError{Op: "open", Path: "/home/" + private, Err: fs.ErrPermission}
	for _, err := range []error{
		path, fmt.Errorf("attach: %w", path), &url.Error{Op: "Get", URL: private, Err: path},
		&url.Error{Op: "Get", URL: private, Err: fs.ErrPermission},
		&fs.PathError{Op: "read", Path: private, Err: fmt.Errorf("again: %w", path)},
	} {
		assert.Equal(t, fs.ErrPermission, anon.WithoutPath(err))
	}
	cause := errors.New("the disk is on fire")
	for _, err := range []error{nil, cause, &fs.PathError{Op: "open", Path: "f"}} {
		assert.Equal(t, err, anon.WithoutPath(err))
	}
}
