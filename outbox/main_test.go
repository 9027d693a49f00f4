package outbox_test

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	serveCrashChild()
	os.Exit(m.Run())
}
