// Package adapters has tests only: a Receiver behind the adapters that bring it requests from
// elsewhere than an http.Server. It is a module of its own because nobody else needs what they
// need.
package adapters
