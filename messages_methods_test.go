package nylas_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/nylastrack/nylas-go"
)

const (
	testID     = "r-8163245982711" // of a draft, a message or a schedule
	testDomain = "news.sender.dev"
)

// mailboxLimit is the time of an attempt that waits for the mail provider.
const mailboxLimit = 100 * time.Second

// limitOf returns the time of an attempt.
func limitOf(m method) time.Duration {
	switch {
	case m.repeats == repeatsWithKey, m.op == "send draft":
		return sendLimit
	case strings.HasPrefix(m.path, "/v3/grants/") && !strings.Contains(m.path, "/schedules"):
		return mailboxLimit
	default:
		return callLimit
	}
}

// messagePaths are the placeholders of the methods below with their values.
func messagePaths() []string {
	return []string{"{draft_id}", testID, "{message_id}", testID, "{schedule_id}", testID, "{domain}", testDomain}
}

// onlyError goes through a list and returns its error, and another one if it does
// not yield it once, at the end and alone.
func onlyError[T any](list iter.Seq2[*T, error]) error {
	var failed error
	for element, err := range list {
		switch {
		case failed != nil:
			return errors.New("the list goes on after its error")
		case err != nil && element != nil:
			return fmt.Errorf("the list has an element with the error: %w", err)
		}
		failed = err
	}
	return failed
}

func markedDraft() *nylas.CreateDraftRequest {
	m := markedMessage()
	return &nylas.CreateDraftRequest{To: m.To, Subject: m.Subject, Body: m.Body, TrackingOptions: m.TrackingOptions}
}

func markedTransactional() *nylas.SendTransactionalRequest {
	m := markedMessage()
	return &nylas.SendTransactionalRequest{
		To: m.To, From: m.To[0], Subject: m.Subject, Body: m.Body,
		TrackingOptions: &nylas.TransactionalTrackingOptions{Opens: true, Label: markBody},
	}
}

// messageMethods are those of drafts, schedules, transactional sends and reading.
func messageMethods() []method {
	return []method{
		{
			"get message", http.MethodGet, "/v3/grants/{grant_id}/messages/{message_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Messages.Get(ctx, testGrant, testID, opts...)
				return err
			},
		},
		{
			"list messages", http.MethodGet, "/v3/grants/{grant_id}/messages", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return onlyError(c.Messages.List(ctx, testGrant, nil, opts...))
			},
		},
		{
			"list schedules", http.MethodGet, "/v3/grants/{grant_id}/messages/schedules", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return onlyError(c.Messages.ListSchedules(ctx, testGrant, opts...))
			},
		},
		{
			"get schedule", http.MethodGet, "/v3/grants/{grant_id}/messages/schedules/{schedule_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Messages.GetSchedule(ctx, testGrant, testID, opts...)
				return err
			},
		},
		{
			"cancel schedule", http.MethodDelete, "/v3/grants/{grant_id}/messages/schedules/{schedule_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return c.Messages.CancelSchedule(ctx, testGrant, testID, opts...)
			},
		},
		{
			"create draft", http.MethodPost, "/v3/grants/{grant_id}/drafts", repeatsUnsent,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Drafts.Create(ctx, testGrant, markedDraft(), opts...)
				return err
			},
		},
		{
			"get draft", http.MethodGet, "/v3/grants/{grant_id}/drafts/{draft_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Drafts.Get(ctx, testGrant, testID, opts...)
				return err
			},
		},
		{
			"list drafts", http.MethodGet, "/v3/grants/{grant_id}/drafts", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return onlyError(c.Drafts.List(ctx, testGrant, nil, opts...))
			},
		},
		{
			"update draft", http.MethodPut, "/v3/grants/{grant_id}/drafts/{draft_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Drafts.Update(ctx, testGrant, testID, &nylas.UpdateDraftRequest{Body: new(markBody)}, opts...)
				return err
			},
		},
		{
			"delete draft", http.MethodDelete, "/v3/grants/{grant_id}/drafts/{draft_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return c.Drafts.Delete(ctx, testGrant, testID, opts...)
			},
		},
		{
			"send draft", http.MethodPost, "/v3/grants/{grant_id}/drafts/{draft_id}", repeatsUnsent,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Drafts.Send(ctx, testGrant, testID, &nylas.SendDraftRequest{SignatureID: markBody}, opts...)
				return err
			},
		},
		{
			"send transactional message", http.MethodPost, "/v3/domains/{domain}/messages/send", repeatsWithKey,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Transactional.Send(ctx, testDomain, markedTransactional(), append(opts, nylas.WithIdempotencyKey(testKey))...)
				return err
			},
		},
	}
}
