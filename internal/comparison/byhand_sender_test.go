//go:build unix

package comparison_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// This file is a sender as a careful developer writes it: one Idempotency-Key for all
// attempts, and another attempt whenever that may help.

const attemptsByHand = 4

type messageByHand struct {
	To              []map[string]string `json:"to"`
	Subject         string              `json:"subject"`
	Body            string              `json:"body"`
	TrackingOptions map[string]any      `json:"tracking_options"`
}

func sendByHand(to emulator) func(ctx context.Context) outcome {
	client := &http.Client{Timeout: 90 * time.Second}
	return func(ctx context.Context) outcome {
		content, err := json.Marshal(messageByHand{
			To: []map[string]string{{"email": recipient}}, Subject: subject, Body: body,
			TrackingOptions: map[string]any{"opens": true, "links": true, "thread_replies": true, "label": label},
		})
		if err != nil {
			return failed
		}
		key := rand.Text()
		for attempt := 1; ; attempt++ {
			wait, err := postByHand(ctx, client, to, key, content)
			if err == nil {
				return sent
			}
			if wait < 0 || attempt == attemptsByHand {
				return failed
			}
			if wait == 0 {
				wait = time.Second << (attempt - 1) / 2
			}
			select {
			case <-ctx.Done():
				return failed
			case <-time.After(wait):
			}
		}
	}
}

// postByHand returns with its error how long to wait before the next attempt, 0 if the
// answer did not say, and a negative time if there is no use in another attempt.
func postByHand(ctx context.Context, client *http.Client, to emulator, key string, body []byte) (time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.URL+"/v3/grants/"+to.Grant+"/messages/send", bytes.NewReader(body))
	if err != nil {
		return -1, err
	}
	req.Header.Set("Authorization", "Bearer "+to.Key)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", key)
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxByHand))
	if err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusAccepted {
		wait := time.Duration(-1)
		if slices.Contains([]int{408, 429, 500, 502, 503, 504}, resp.StatusCode) {
			seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
			wait = time.Duration(seconds) * time.Second
		}
		return wait, fmt.Errorf("status %d: %s", resp.StatusCode, answer)
	}
	var message struct {
		Data struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if err := json.Unmarshal(answer, &message); err != nil {
		return 0, err
	}
	if message.Data.ID == "" {
		return 0, errors.New("the answer names no message")
	}
	return 0, nil
}
