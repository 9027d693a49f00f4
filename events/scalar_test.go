package events_test

import (
	"encoding/json"
	"testing"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
)

// scalars holds one field of each scalar type.
type scalars struct {
	Time    events.Timestamp `json:"time"`
	Int     events.Int       `json:"int"`
	Index   events.Index     `json:"index"`
	Text    events.Text      `json:"text"`
	Address events.Address   `json:"address"`
}

func TestScalarsMarshal(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		value scalars
		want  string
	}{
		"zero": {scalars{}, `{"time":null,"int":0,"index":"0","text":"","address":""}`},
		"values": {
			scalars{Time: unix(1695480567), Int: -7, Index: 12, Text: "26302083", Address: "a@example.org"},
			`{"time":1695480567,"int":-7,"index":"12","text":"26302083","address":"a@example.org"}`,
		},
		"extremes": {
			scalars{Time: unix(-5), Int: -1 << 63, Index: 1<<63 - 1, Text: "\"\n", Address: "é"},
			`{"time":-5,"int":-9223372036854775808,"index":"9223372036854775807","text":"\"\n","address":"é"}`,
		},
		"the epoch is a time": {scalars{Time: unix(0)}, `{"time":0,"int":0,"index":"0","text":"","address":""}`},
		"a fraction is cut": {
			scalars{Time: events.Timestamp{Time: time.Date(2023, 9, 23, 16, 49, 27, 999_999_999, time.FixedZone("", 2*60*60))}},
			`{"time":1695480567,"int":0,"index":"0","text":"","address":""}`,
		},
	}
	for library, marshal := range marshalers {
		for name, test := range tests {
			t.Run(library+"/"+name, func(t *testing.T) {
				t.Parallel()
				got, err := marshal(test.value)
				require.NoError(t, err)
				assert.Equal(t, test.want, string(got))

				if name == "a fraction is cut" {
					return
				}
				var back scalars
				require.NoError(t, json.Unmarshal(got, &back))
				assert.Equal(t, test.value, back)
			})
		}
	}
}

func TestScalarsUnmarshal(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		body string
		want scalars
	}{
		"numbers":          {`{"time":1695480567,"int":7,"index":8,"text":26302083}`, scalars{Time: unix(1695480567), Int: 7, Index: 8, Text: "26302083"}},
		"strings":          {`{"time":"1695480567","int":"7","index":"8","text":"26302083","address":"a@example.org"}`, scalars{Time: unix(1695480567), Int: 7, Index: 8, Text: "26302083", Address: "a@example.org"}},
		"negative":         {`{"time":-1,"int":"-7","index":-8,"text":-5}`, scalars{Time: unix(-1), Int: -7, Index: -8, Text: "-5"}},
		"floats":           {`{"time":1695480567.9,"int":7.0,"index":"8.0","text":1.50}`, scalars{Time: unix(1695480567), Int: 7, Index: 8, Text: "1.50"}},
		"exponents":        {`{"time":1e9,"int":1E2,"index":"1e+1","text":1e5}`, scalars{Time: unix(1_000_000_000), Int: 100, Index: 10, Text: "1e5"}},
		"leading zeros":    {`{"time":"007","int":"007","index":"007","text":"007"}`, scalars{Time: unix(7), Int: 7, Index: 7, Text: "007"}},
		"18 and 19 digits": {`{"int":999999999999999999,"index":9223372036854775807}`, scalars{Int: 999999999999999999, Index: 1<<63 - 1}},
		"just exact":       {`{"int":9007199254740991.0,"index":"-9007199254740991.0"}`, scalars{Int: 1<<53 - 1, Index: -(1<<53 - 1)}},
		"far times":        {`{"time":253402300800}`, scalars{Time: unix(253402300800)}},
		"an empty time":    {`{"time":""}`, scalars{}},
		"escapes":          {`{"text":"a\u0062\n","address":"\u0061@example.org"}`, scalars{Text: "ab\n", Address: "a@example.org"}},
		"an object":        {`{"address":{"name":"A","email":"a@example.org"}}`, scalars{Address: "a@example.org"}},
		"an empty object":  {`{"address":{}}`, scalars{}},
		"a null email":     {`{"address":{"email":null}}`, scalars{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var byV1, byV2 scalars
			require.NoError(t, json.Unmarshal([]byte(test.body), &byV1))
			assert.Equal(t, test.want, byV1)
			require.NoError(t, jsonv2.Unmarshal([]byte(test.body), &byV2))
			assert.Equal(t, test.want, byV2)
		})
	}
	t.Run("null leaves a value as it is", func(t *testing.T) {
		t.Parallel()
		want := scalars{Time: unix(5), Int: 6, Index: 7, Text: "8", Address: "9"}
		got := want
		require.NoError(t, json.Unmarshal([]byte(`{"time":null,"int":null,"index":null,"text":null,"address":null}`), &got))
		assert.Equal(t, want, got)
	})
	t.Run("an empty string takes a time away", func(t *testing.T) {
		t.Parallel()
		got := unix(5)
		require.NoError(t, json.Unmarshal([]byte(`""`), &got))
		assert.True(t, got.IsZero())
	})
}

func TestScalarsRefuse(t *testing.T) {
	t.Parallel()
	const integer = "want an integer, or a string that holds one"
	const size = "the number does not fit into 64 bits"
	tests := []struct{ body, text string }{
		{`{"time":true}`, integer},
		{`{"time":{}}`, integer},
		{`{"time":"2026-01-08"}`, integer},
		{`{"time":" 5"}`, integer},
		{`{"time":1e400}`, size},
		{`{"time":"1e17"}`, size},
		{`{"int":"abc"}`, integer},
		{`{"int":""}`, integer},
		{`{"int":"-"}`, integer},
		{`{"int":"+5"}`, integer},
		{`{"int":"0x10"}`, integer},
		{`{"int":"1_000"}`, integer},
		{`{"int":"NaN"}`, integer},
		{`{"int":1.5}`, integer},
		{`{"int":"5 "}`, integer},
		{`{"int":[]}`, integer},
		{`{"int":9223372036854775808}`, size},
		{`{"int":9007199254740992.0}`, size},
		{`{"int":-1e400}`, size},
		{`{"index":false}`, integer},
		{`{"index":"first"}`, integer},
		{`{"index":12345678901234567890}`, size},
		{`{"text":true}`, "want a string or a number"},
		{`{"text":[]}`, "want a string or a number"},
		{`{"address":5}`, "want an e-mail address"},
		{`{"address":[]}`, "want an e-mail address"},
		{`{"address":{"email":5}}`, "want an object with an email member that is a string"},
	}
	for _, test := range tests {
		t.Run(test.body, func(t *testing.T) {
			t.Parallel()
			var got scalars
			require.ErrorContains(t, json.Unmarshal([]byte(test.body), &got), test.text)
			assert.Zero(t, got)
			require.ErrorContains(t, jsonv2.Unmarshal([]byte(test.body), &got), test.text)
		})
	}
}

func TestAt(t *testing.T) {
	t.Parallel()
	moment := time.Date(2023, 9, 23, 16, 49, 27, 999_999_999, time.FixedZone("CEST", 2*60*60))
	assert.Equal(t, unix(1695480567), events.At(moment))
	assert.Equal(t, time.UTC, events.At(moment).Location())
	assert.Equal(t, unix(0), events.At(time.Unix(0, 0)))
	assert.Equal(t, unix(-1), events.At(time.Unix(0, -1)), "cut towards the past, as seconds are counted")

	assert.Equal(t, events.Timestamp{}, events.At(time.Time{}))
	assert.True(t, events.At(time.Time{}).IsZero())
	assert.False(t, events.At(time.Unix(0, 0)).IsZero())

	body, err := json.Marshal(events.At(moment))
	require.NoError(t, err)
	var back events.Timestamp
	require.NoError(t, json.Unmarshal(body, &back))
	assert.Equal(t, events.At(moment), back)
}
