package receive_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/receive"
)

// What a program has at hand can be printed and logged, with wrong verbs too.
func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	state := stateOf(receiverSecret)
	memory := new(receive.MemorySecrets)
	require.NoError(t, memory.Swap(t.Context(), receive.SecretState{}, state))
	fixed := receive.Secret(receiverSecret)
	type holder struct{ Store receive.SecretSource }
	type hidden struct{ store receive.SecretSource }
	printed := map[string]any{
		"state": state, "its address": &state, "states": map[string]receive.SecretState{"": state},
		"secret": state.Secrets[0], "its": &state.Secrets[0], "secrets": state.Secrets,
	}
	encoded := map[string]any{
		"memory": memory, "in a struct": holder{memory}, "in one's field": hidden{memory},
		"fixed": fixed, "fixed in a struct": holder{fixed}, "fixed in one's field": hidden{fixed},
		"receiver": newSourced(t, fixed), "receiver with a store": newSourced(t, memory),
	}
	shown := make(map[string]string)
	for _, things := range []map[string]any{printed, encoded} {
		for name, thing := range things {
			for _, verb := range []string{"v", "+v", "#v", "s", "q", "x", "X", "d", "t", "e", "c"} {
				shown[name+" by %"+verb] = fmt.Sprintf("%"+verb, thing)
			}
			var text bytes.Buffer
			slog.New(slog.NewTextHandler(&text, nil)).Info("", slog.Any("thing", thing))
			shown[name+" in a log"] = text.String()
		}
	}
	for name, thing := range encoded {
		content, _ := json.Marshal(thing) // the error may be that there is nothing to encode
		shown[name+" as JSON"] = string(content)
	}
	for _, thing := range []any{state, &state, state.Secrets[0], &state.Secrets[0]} {
		var text bytes.Buffer
		slog.New(slog.NewJSONHandler(&text, nil)).Info("", slog.Any("thing", thing))
		shown[fmt.Sprintf("%T in a log of JSON", thing)] = text.String()
	}
	for name, text := range shown {
		assert.NotContains(t, text, receiverSecret, name)
		assert.NotContains(t, strings.ToLower(text), fmt.Sprintf("%x", receiverSecret), name)
	}
	assert.Equal(t, state.String(), fmt.Sprintf("%+v", state))
	_, err := receive.New(outcome(nil), (*receive.MemorySecrets)(nil))
	require.ErrorContains(t, err, "secrets is nil")
	loaded, err := fixed.Load(context.Background())
	require.NoError(t, err)
	loaded.Secrets[0].Value = "spoiled"
	assert.Equal(t, receiverSecret, loadSecrets(t, fixed).Secrets[0].Value, "it shares no memory")
}
