package events_test

import (
	"net/mail"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
)

// received is the header of a message as a server received it, with one more line.
func received(t *testing.T, line string) mail.Header {
	t.Helper()
	message, err := mail.ReadMessage(strings.NewReader("Received: from mail.example.org by mail.acme.dev; Sun, 29 Nov 2026 10:00:00 +0000\r\n" +
		"From: Kim <kim@example.org>\r\nMessage-ID: <a@example.org>\r\nContent-Type: multipart/mixed; boundary=report\r\n" + line + "\r\n\r\n"))
	require.NoError(t, err)
	return message.Header
}

func TestMachineReplySigns(t *testing.T) {
	t.Parallel()
	for line, reason := range map[string]string{
		"Auto-Submitted: auto-replied":                                "Auto-Submitted: auto-replied",
		"auto-submitted: Auto-Generated (by a rule); owner=x":         "Auto-Submitted: auto-generated",
		"Auto-Submitted: auto-notified; owner-email=\"kim@example\"":  "Auto-Submitted: auto-notified",
		"Auto-Submitted: kim@example.org":                             "Auto-Submitted",
		"Return-Path: <>":                                             "Return-Path: <>",
		"Return-path:   <>  (nobody)":                                 "Return-Path: <>",
		"Content-Type: multipart/report; report-type=delivery-status": "Content-Type: multipart/report",
		"Content-Type: Multipart/Report;report-type=disposition":      "Content-Type: multipart/report",
		"X-Failed-Recipients: lee@example.org":                        "X-Failed-Recipients",
		"X-Autoreply: yes":                                            "X-Autoreply",
		"X-Autorespond: Re: Your trial":                               "X-Autorespond",
		"Precedence: bulk":                                            "Precedence: bulk",
		"PRECEDENCE: Junk":                                            "Precedence: junk",
		"Precedence: auto_reply":                                      "Precedence: auto_reply",
		"Precedence: bulk\r\nAuto-Submitted: auto-replied":            "Auto-Submitted: auto-replied",
		"Precedence: list\r\nPrecedence: bulk":                        "Precedence: bulk",
	} {
		machine, got := events.MachineReply(received(t, line))
		assert.Equal(t, events.MachineYes, machine, line)
		assert.Equal(t, reason, got, line)
		assert.NotContains(t, got, "@")

		// A sign is one also where the rest of the headers is not there.
		header := received(t, line)
		delete(header, "Received")
		machine, got = events.MachineReply(header)
		assert.Equal(t, events.MachineYes, machine, line)
		assert.Equal(t, reason, got, line)
	}
}

func TestMachineReplyWithoutSigns(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"Subject: Auto-Submitted: auto-replied", "Auto-Submitted: no", "Auto-Submitted: No (auto-replied)", "Auto-Submitted: ",
		"Return-Path: <kim@example.org>", "Content-Type: text/plain; x=multipart/report", "X-Failed-Recipients: ",
		"X-Autoreply: no", "X-Autoreply: ", "X-Autorespond: no", "Precedence: list", "Precedence: first-class",
		"X-Auto-Submitted: auto-replied", "X-Return-Path: <>",
	} {
		machine, reason := events.MachineReply(received(t, line))
		assert.Equal(t, events.MachineNo, machine, line)
		assert.Equal(t, "no header says that a program wrote it", reason, line)

		// Nothing can be said where the headers are not those of the message as received.
		header := received(t, line)
		delete(header, "Received")
		machine, reason = events.MachineReply(header)
		assert.Equal(t, events.MachineUnknown, machine, line)
		assert.Equal(t, "no Received header: these are not the headers as received", reason, line)
	}
	machine, _ := events.MachineReply(nil)
	assert.Equal(t, events.MachineUnknown, machine)
	machine, _ = events.MachineReply(map[string][]string{" received ": {""}})
	assert.Equal(t, events.MachineNo, machine, "names are compared without their case")
}
