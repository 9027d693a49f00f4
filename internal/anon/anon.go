// Package anon takes names off errors: a URL has ids and addresses in it, and the path of
// a file can tell whose it is.
package anon

import (
	"errors"
	"io/fs"
	"net/url"
)

// WithoutURL takes off the wrapping that names a URL. A round tripper can have put one
// below that of http.Client.
func WithoutURL(err error) error {
	for {
		wrapped, ok := errors.AsType[*url.Error](err)
		if !ok || wrapped.Err == nil {
			return err
		}
		err = wrapped.Err
	}
}

// WithoutPath takes off the wrapping that names a file or a URL.
func WithoutPath(err error) error {
	err = WithoutURL(err)
	for {
		wrapped, ok := errors.AsType[*fs.PathError](err)
		if !ok || wrapped.Err == nil {
			return err
		}
		err = wrapped.Err
	}
}
