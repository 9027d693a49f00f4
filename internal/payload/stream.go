package payload

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
)

// Payload is the body of a call's requests: the same bytes whenever it is opened.
type Payload struct {
	contentType string
	known       int64 // bytes, without files of unknown size
	endless     bool  // there is a file of unknown size
	segments    []segment
}

// ContentType returns the media type, "" for no payload.
func (p *Payload) ContentType() string {
	if p == nil {
		return ""
	}
	return p.contentType
}

// IsMultipart reports whether the payload is multipart/form-data.
func (p *Payload) IsMultipart() bool { return strings.HasPrefix(p.ContentType(), "multipart/") }

// segment is a piece of a payload: text, or the content of a file.
type segment struct {
	text   []byte
	file   *attachedFile
	base64 bool // of the content
}

func (p *Payload) addText(texts ...[]byte) {
	for _, text := range texts {
		p.segments = append(p.segments, segment{text: text})
		p.add(int64(len(text)))
	}
}

func (p *Payload) addFile(file *attachedFile, inBase64 bool) {
	p.segments = append(p.segments, segment{file: file, base64: inBase64})
	size := file.size
	switch {
	case size == UnknownSize:
		p.endless = true
		return
	case inBase64 && size > math.MaxInt64/4*3:
		size = math.MaxInt64
	case inBase64:
		size = (size + 2) / 3 * 4
	}
	p.add(size)
}

// add counts bytes. What is announced can be any number.
func (p *Payload) add(size int64) { p.known += min(size, math.MaxInt64-p.known) }

// Size returns how many bytes will be sent, or UnknownSize.
func (p *Payload) Size() int64 {
	if p.endless {
		return UnknownSize
	}
	return p.known
}

// Open returns the bytes for one attempt. One text alone comes as a bytes.Reader,
// which net/http sends together with the header; everything else as a
// Reading.
func (p *Payload) Open() io.Reader {
	switch {
	case p == nil:
		return http.NoBody
	case len(p.segments) == 1 && p.segments[0].file == nil:
		return bytes.NewReader(p.segments[0].text)
	}
	return &Reading{segments: p.segments, spare: MaxBytes - p.known}
}

// Spent reports whether a content that can be read once was begun.
func (p *Payload) Spent() bool {
	if p == nil {
		return false
	}
	for _, s := range p.segments {
		if s.file == nil {
			continue
		}
		if once, ok := s.file.content.(*Reader); ok && once.started.Load() {
			return true
		}
	}
	return false
}

// Error says what is wrong with a payload. Its text is the SDK's; that of
// the cause can be anybody's.
type Error struct {
	Text  string
	Cause error
}

// Error returns the text and the cause.
func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Text
	}
	return e.Text + ": " + e.Cause.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Reading reads a payload for one attempt, one file after the other. When a
// file fails it does so too, before the last bytes, so that what was sent cannot
// be taken for the whole. Its methods for others than the reader work on nil,
// which stands for a payload in memory.
type Reading struct {
	// These belong to who reads.
	segments []segment // still to come
	text     []byte    // what is left of a text
	content  io.Reader // of the file that is being read
	spare    int64     // bytes that files of unknown size may still have

	mu     sync.Mutex
	file   io.Closer // beneath content
	closed bool
	whole  bool // all was read
	failed error
}

var errStreamClosed = errors.New("the attempt has ended")

// Read reads the payload. It fails with an [Error].
func (s *Reading) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if err := s.stopped(); err != nil {
			return 0, err
		}
		switch {
		case len(s.text) > 0:
			n := copy(p, s.text)
			s.text = s.text[n:]
			s.finish()
			return n, nil
		case s.content != nil:
			n, err := s.content.Read(p)
			if err == io.EOF {
				s.leave()
				err = nil
			}
			if n > 0 || err != nil {
				return n, s.fail(err)
			}
		case len(s.segments) > 0:
			next := s.segments[0]
			s.segments = s.segments[1:]
			s.text = next.text
			if next.file != nil {
				if err := s.enter(next); err != nil {
					return 0, s.fail(err)
				}
			}
		default:
			return 0, io.EOF
		}
	}
}

// enter opens a file.
func (s *Reading) enter(next segment) error {
	file, err := next.file.open()
	if err != nil {
		return attachmentError(next.file.index, &Error{"cannot be opened", withoutPath(err)})
	}
	s.content = &sizedReader{file: next.file, r: file, spare: &s.spare}
	if next.base64 {
		s.content = &base64Reader{r: s.content}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		closeContent(file)
		return errStreamClosed
	}
	s.file = file
	return nil
}

// leave closes the file that was read to its end.
func (s *Reading) leave() {
	s.content = nil
	s.mu.Lock()
	file := s.file
	s.file = nil
	s.mu.Unlock()
	closeContent(file)
}

// Close ends the stream, also during a Read.
func (s *Reading) Close() error {
	s.End()
	return nil
}

// End is Close without an error.
func (s *Reading) End() {
	if s == nil {
		return
	}
	s.mu.Lock()
	file := s.file
	s.file, s.closed = nil, true
	s.mu.Unlock()
	closeContent(file)
}

func (s *Reading) stopped() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil && s.closed {
		return errStreamClosed
	}
	return s.failed
}

// fail keeps the first error. One after Close comes from Close.
func (s *Reading) fail(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil && !s.closed {
		s.failed = err
	}
	return err
}

func (s *Reading) finish() {
	if len(s.text) == 0 && len(s.segments) == 0 {
		s.mu.Lock()
		s.whole = true
		s.mu.Unlock()
	}
}

// Failure returns why the stream could not be read to its end, if so.
func (s *Reading) Failure() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// WasRead reports whether all of it was read: before that nobody can have got it.
func (s *Reading) WasRead() bool {
	if s == nil {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.whole
}

// sizedReader reads a file that must have as many bytes as announced, or, if that
// is unknown, no more than is left of the limit.
type sizedReader struct {
	file  *attachedFile
	r     io.Reader
	read  int64
	spare *int64
	empty int // Reads in a row that brought nothing
}

// maxEmptyReads is how often in a row a source may bring neither bytes nor an
// end; that of package bufio.
const maxEmptyReads = 100

func (r *sizedReader) Read(p []byte) (int, error) {
	n, err := readContent(r.r, p)
	r.read += int64(n)
	if n > 0 || err != nil || len(p) == 0 {
		r.empty = 0
	} else if r.empty++; r.empty == maxEmptyReads {
		err = io.ErrNoProgress
	}
	if err != nil && err != io.EOF { //nolint:errorlint // as everywhere in io, a wrapped EOF is a failure
		return n, attachmentError(r.file.index, &Error{"cannot be read", withoutPath(err)})
	}
	switch size := r.file.size; {
	case size == UnknownSize:
		if *r.spare -= int64(n); *r.spare < 0 {
			return 0, &Error{Text: tooLarge(fmt.Sprintf("more than %d", MaxBytes))}
		}
	case r.read > size:
		return 0, r.wrong(fmt.Sprintf("has more than the %d bytes that it had before or was announced with", size))
	case err != nil && r.read < size:
		return 0, r.wrong(fmt.Sprintf("has %d bytes, not the %d that it had before or was announced with", r.read, size))
	}
	return n, err
}

func (r *sizedReader) wrong(text string) error {
	return attachmentError(r.file.index, &Error{Text: text})
}

// base64Reader reads base64.
type base64Reader struct {
	r    io.Reader
	raw  [3 << 12]byte
	buf  [4 << 12]byte
	left []byte // of buf
	err  error
}

func (r *base64Reader) Read(p []byte) (int, error) {
	for len(r.left) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		n, err := io.ReadFull(r.r, r.raw[:])
		if err == io.ErrUnexpectedEOF { // the last piece: a sizedReader wraps all other errors
			err = io.EOF
		}
		r.err = err
		r.left = base64.StdEncoding.AppendEncode(r.buf[:0], r.raw[:n])
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}
