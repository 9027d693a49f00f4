//go:build linux

package inbox_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// diskImage is a file system of its own in a file, mounted through a loop device.
// What a program has written to it and not flushed is in the memory of the
// system and not in the file, as with a disk.
type diskImage struct {
	file string // the disk
	dir  string // where it is mounted
}

// newImage makes and mounts an image of ext4. It skips the test where that is
// not allowed, but not in CI as root: there it must work.
func newImage(t *testing.T, bytes int64) *diskImage {
	t.Helper()
	work := t.TempDir()
	d := &diskImage{file: filepath.Join(work, "disk"), dir: filepath.Join(work, "mounted")}
	file, err := os.Create(d.file)
	require.NoError(t, err)
	require.NoError(t, file.Truncate(bytes))
	require.NoError(t, file.Close())
	text, err := shell("mkfs.ext4", "-q", "-F", "-m", "0", d.file)
	if err == nil {
		text, err = d.mount(t)
	}
	switch must := os.Getenv("CI") == "true" && os.Geteuid() == 0; {
	case err != nil && must:
		require.NoError(t, err, "an image cannot be mounted, and in CI it must be possible: %s", text)
	case err != nil:
		t.Skipf("needs mkfs.ext4 and the right to mount: %v: %s", err, text)
	}
	return d
}

// mount mounts the image until unmount or the end of the test.
func (d *diskImage) mount(t *testing.T, options ...string) (text string, err error) {
	t.Helper()
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return "", err
	}
	options = append([]string{"loop", "errors=remount-ro"}, options...)
	text, err = shell("mount", "-t", "ext4", "-o", strings.Join(options, ","), d.file, d.dir)
	if err == nil {
		t.Cleanup(func() { d.unmount(t) })
	}
	return text, err
}

// unmount takes the image and its loop device away, whoever still uses it.
func (d *diskImage) unmount(t *testing.T) {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	require.NoError(t, err)
	if !strings.Contains(string(mounts), " "+d.dir+" ") {
		return
	}
	// A process that another test has just started has all files of this one, for a moment.
	const patience, pause = 5 * time.Second, 10 * time.Millisecond
	var text string
	done := assert.Eventually(t, func() bool {
		text, err = shell("umount", d.dir)
		return err == nil
	}, patience, pause)
	if !done {
		lazy, lazyErr := shell("umount", "-l", d.dir)
		require.NoError(t, lazyErr, lazy)
	}
	require.NoError(t, err, text)
}

// path is that of an inbox on the image.
func (d *diskImage) path() string { return filepath.Join(d.dir, "inbox.db") }

// afterPowerCut is a copy of what is on the disk at this moment, mounted as after
// a power cut.
func (d *diskImage) afterPowerCut(t *testing.T) *diskImage {
	t.Helper()
	work := t.TempDir()
	after := &diskImage{file: filepath.Join(work, "disk"), dir: filepath.Join(work, "mounted")}
	text, err := shell("cp", "--sparse=always", d.file, after.file)
	require.NoError(t, err, text)
	text, err = after.mount(t)
	require.NoError(t, err, text)
	return after
}

func shell(name string, args ...string) (text string, err error) {
	output, err := exec.Command(name, args...).CombinedOutput()
	return strings.TrimSpace(string(output)), err
}
