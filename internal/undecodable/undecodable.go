// Package undecodable names why a delivery cannot be decoded, for those who keep it and make
// it again from its body alone.
package undecodable

import (
	"errors"

	"github.com/nylastrack/nylas-go/receive"
)

// reasons are those that a body does not show by itself. The names are stored: keep them.
var reasons = map[string]error{
	"encoding":  receive.ErrDeliveryEncoding,
	"too_large": receive.ErrDeliveryTooLarge,
	"sns":       receive.ErrSNSEnvelope,
}

// Name returns the name of the reason in err. It is empty if there is none, or if
// [receive.NewDelivery] finds it again.
func Name(err error) string {
	for name, reason := range reasons {
		if errors.Is(err, reason) {
			return name
		}
	}
	return ""
}

// Reason returns the error of a name, nil if it is unknown.
func Reason(name string) error { return reasons[name] }
