package payload

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync/atomic"
)

// UnknownSize is the size of a content that is not known before it is read.
const UnknownSize int64 = -1

// Content is what is in an attachment.
type Content interface {
	// Filename is the name that the content has by itself, or "".
	Filename() string
	// Measure returns the number of bytes, or UnknownSize.
	Measure() (int64, error)
	// Open begins to read from the start.
	Open() (io.ReadCloser, error)
}

// Bytes is a content in memory.
type Bytes []byte

// Filename implements Content.
func (c Bytes) Filename() string { return "" }

// Measure implements Content.
func (c Bytes) Measure() (int64, error) { return int64(len(c)), nil }

// Open implements Content.
func (c Bytes) Open() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(c)), nil
}

// File is the content of the regular file of that name.
type File string

// Filename implements Content.
func (c File) Filename() string { return filepath.Base(string(c)) }

// Measure implements Content.
func (c File) Measure() (int64, error) { return measureFile(os.Stat(string(c))) }

// Open must not wait for the other end of a named pipe: no context ends that.
func (c File) Open() (io.ReadCloser, error) {
	file, err := os.OpenFile(string(c), os.O_RDONLY|openNonblock, 0)
	if err != nil {
		return nil, err
	}
	return regular(file)
}

// FS is the content of a regular file in a file system.
type FS struct {
	FS   fs.FS
	Name string
}

// Filename implements Content.
func (c *FS) Filename() string { return path.Base(c.Name) }

// Measure implements Content.
func (c *FS) Measure() (int64, error) {
	if c.FS == nil {
		return 0, errors.New("the file system is nil")
	}
	return measureFile(fs.Stat(c.FS, c.Name))
}

// Open implements Content.
func (c *FS) Open() (io.ReadCloser, error) {
	if _, err := c.Measure(); err != nil {
		return nil, err
	}
	file, err := c.FS.Open(c.Name)
	if err != nil {
		return nil, err
	}
	return regular(file)
}

func measureFile(info fs.FileInfo, err error) (int64, error) {
	switch {
	case err != nil:
		return 0, err
	case !info.Mode().IsRegular():
		return 0, errors.New("it is not a regular file")
	}
	return info.Size(), nil
}

// regular returns an open file if it is a regular one, and closes it otherwise.
func regular(file fs.File) (io.ReadCloser, error) {
	if _, err := measureFile(file.Stat()); err != nil {
		_ = file.Close() // nothing was read
		return nil, err
	}
	return file, nil
}

// Stream is a content that can be opened again and again.
type Stream struct {
	Size   int64
	Opener func() (io.ReadCloser, error)
}

// Filename implements Content.
func (c *Stream) Filename() string { return "" }

// Measure implements Content.
func (c *Stream) Measure() (int64, error) {
	if c.Opener == nil {
		return 0, errors.New("the function is nil")
	}
	return max(c.Size, UnknownSize), nil
}

// Open implements Content.
func (c *Stream) Open() (io.ReadCloser, error) {
	stream, err := c.Opener()
	if err == nil && stream == nil {
		err = errors.New("the function returned nil")
	}
	return stream, err
}

// Reader is a content that can be read once. It is used by its pointer.
type Reader struct {
	Size    int64
	R       io.Reader
	started atomic.Bool
}

var errReadBefore = errors.New("it was read before, and can be read only once")

// Filename implements Content.
func (c *Reader) Filename() string { return "" }

// Measure implements Content.
func (c *Reader) Measure() (int64, error) {
	switch {
	case c.R == nil:
		return 0, errors.New("the reader is nil")
	case c.started.Load():
		return 0, errReadBefore
	}
	return max(c.Size, UnknownSize), nil
}

// Open implements Content.
func (c *Reader) Open() (io.ReadCloser, error) {
	if !c.started.CompareAndSwap(false, true) {
		return nil, errReadBefore
	}
	if stream, ok := c.R.(io.ReadCloser); ok {
		return stream, nil
	}
	return io.NopCloser(c.R), nil
}
