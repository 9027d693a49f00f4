//go:build !linux

package inbox_test

func serveBenchmark() {}
