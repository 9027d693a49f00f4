package inbox_test

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	serveBenchmark()
	serveCrashChild()
	os.Exit(m.Run())
}
