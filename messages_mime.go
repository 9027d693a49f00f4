package nylas

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/textproto"
	"strings"
)

// sendMIMEQuery is the query of [MessageService.SendMIME].
type sendMIMEQuery struct {
	Type string `url:"type"`
}

// SendMIME sends a message that is already written: its headers, an empty line and its body, as
// RFC 5322 and MIME have it. Use it for what [SendMessageRequest] cannot express, such as signed
// or encrypted mail. The headers must have a recipient in To, Cc or Bcc. message must not change
// until SendMIME returns.
//
// Nylas does not track such a message: there are no tracking options, no metadata and no SendAt.
// [WithMark] is refused, and that of the client has no effect.
//
// It has an Idempotency-Key, and is retried like [MessageService.Send]; see there for what an
// error says. The request goes out as multipart, which has a rate limit of its own; see
// [RateLimits.MultipartSends]. It can have 25 MiB.
//
// https://developer.nylas.com/docs/v3/email/headers-mime-data/
func (s *MessageService) SendMIME(ctx context.Context, grantID string, message []byte, opts ...RequestOption) (*Message, error) {
	op := s.client.begin("send MIME message", opts)
	if err := checkMIME(op, message); err != nil {
		return nil, err
	}
	var answer messageAnswer
	err := op.do(ctx, call{
		method: http.MethodPost, path: "/v3/grants/{grant_id}/messages/send", lane: laneSend, ids: []string{grantID},
		query: sendMIMEQuery{"mime"}, mime: message, limit: sendTimeout, repeat: repeatWithKey,
	}, &answer)
	if err != nil {
		return nil, err
	}
	return answer.message(), nil
}

// checkMIME refuses what is no message, or is to nobody.
func checkMIME(op *operation, message []byte) error {
	header, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(message))).ReadMIMEHeader()
	if err != nil {
		return refuse(op, "the message does not begin with headers and an empty line")
	}
	for _, name := range []string{"To", "Cc", "Bcc"} {
		if strings.TrimSpace(header.Get(name)) != "" {
			return nil
		}
	}
	return refuse(op, "the message has no recipient in To, Cc or Bcc")
}

// MIME decodes RawMIME: it returns the whole message as it was received. Get the message with
// [FieldsRawMIME]. A message without RawMIME is an error.
//
// https://developer.nylas.com/docs/v3/email/headers-mime-data/
func (m *Message) MIME() ([]byte, error) {
	if m.RawMIME == "" {
		return nil, errors.New("nylas: the message has no RawMIME: get it with FieldsRawMIME")
	}
	message, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(m.RawMIME, "="))
	if err != nil {
		return nil, errors.New("nylas: RawMIME is not base64url")
	}
	return message, nil
}
