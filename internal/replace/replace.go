// Package replace writes whole files.
package replace

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// File replaces the file at path, or creates it, so that a crash or a power cut leaves either
// the old content or the new one. Only its owner can read it (mode 0600). The new content is
// written to a second file, whose name ends in ".tmp", so only one caller at a time may
// replace a file. A path that is a symbolic link is replaced itself.
func File(path string, content []byte) (err error) {
	// The one name of it bounds what crashes can leave, and is not opened if it exists,
	// because what is there may have another mode.
	temporary := path + ".tmp"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temporary)
		}
	}()
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); errors.Is(err, syscall.EBUSY) {
		return fmt.Errorf("it is mounted by itself and cannot be replaced, mount its directory instead: %w", err)
	} else if err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(path))
}

// syncDirectory makes a rename durable. Windows cannot do that for a directory; its
// file systems log such changes themselves.
func syncDirectory(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
