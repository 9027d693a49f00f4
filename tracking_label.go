package nylas

import (
	"github.com/nylastrack/nylas-go/internal/label"
	"github.com/nylastrack/nylas-go/internal/rules"
)

// EncodeLabel encodes short values, such as the ids of a campaign and a contact, as one
// string for TrackingOptions.Label, which is part of every tracking notification.
// [DecodeLabel] decodes it.
//
//	nt1:campaign=trial+q2&contact=42
//
// Keys are sorted, so equal values give equal labels. Keys and values can be any text;
// a key must not be empty. Most characters, including the space, take one character in
// the label. Everybody who sees the label can read it, so use ids and no secrets or
// addresses. Package engagement adds up messages by the value "campaign".
//
// A label of more than 2048 characters is an error that matches
// [ErrTrackingDataTooLarge]. Nylas does not say whether it counts characters or bytes,
// which makes no difference for ASCII.
//
// https://developer.nylas.com/docs/v3/email/message-tracking/
func EncodeLabel(values map[string]string) (string, error) {
	op := &operation{name: "encode label"}
	encoded, err := label.Encode(values)
	if err != nil {
		return "", refuse(op, err.Error())
	}
	if err := checkChars(op, "the label", encoded, rules.MaxLabelChars, ErrTrackingDataTooLarge); err != nil {
		return "", err
	}
	return encoded, nil
}

// DecodeLabel decodes a label of [EncodeLabel]. It reports false for any other text,
// such as an empty label, a label of another program, or one of a later version of this
// format. If it reports true, EncodeLabel returns exactly this label for the values.
func DecodeLabel(text string) (map[string]string, bool) { return label.Decode(text) }
