package nylastest_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
)

// rule is a request for an alert rule; changes overwrite or, with nil, remove members.
func rule(changes object) object {
	r := object{"metric": "bounce_rate", "threshold": 2.55, "window_hours": 1}
	for name, value := range changes {
		if r[name] = value; value == nil {
			delete(r, name)
		}
	}
	return r
}

func TestAlertRules(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		const path = "/v3/alerts/send"
		assert.Empty(t, w.list(path))
		first := w.call(http.MethodPost, path, rule(nil)).data()
		assert.Equal(t, []string{
			"application_id", "created_at", "direction", "id", "metric", "min_volume", "threshold", "updated_at", "window_hours",
		}, keys(first))
		assert.Equal(t, "above", first["direction"])
		assert.InDelta(t, 2.55, first["threshold"], 0)
		one := path + "/" + first["id"].(string)
		pass(time.Hour)
		changed := w.call(http.MethodPut, one, object{"metric": "delivery_rate", "min_volume": 7}).data()
		assert.Equal(t, "below", changed["direction"])
		assert.InDelta(t, 2.55, changed["threshold"], 0, "what is left out stays")
		assert.InDelta(t, 7, changed["min_volume"], 0)
		assert.InDelta(t, first["created_at"].(float64)+3600, changed["updated_at"], 0)
		assert.Equal(t, changed, w.call(http.MethodGet, one, nil).data())
		for range 19 {
			require.Equal(t, http.StatusOK, w.call(http.MethodPost, path, rule(nil)).status)
		}
		assert.Len(t, w.list(path), 20)
		assert.Equal(t, changed, w.list(path)[0], "oldest first")
		w.call(http.MethodPost, path, rule(nil)).
			refused(http.StatusBadRequest, "api.invalid_request_error", "an application can have at most 20 alert rules")
		assert.Equal(t, []string{"request_id"}, keys(w.call(http.MethodDelete, one, nil).object()))
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			w.call(method, one, nil).refused(http.StatusNotFound, "api.not_found_error", "requested object not found")
		}
		w.call(http.MethodPut, one, object{}).refused(http.StatusNotFound, "api.not_found_error", "requested object not found")
	})
}

func TestAlertRulesRefuse(t *testing.T) {
	t.Parallel()
	fake := &fakeT{}
	w := &world{t: t, server: nylastest.NewServer(fake, nylastest.WithNetwork(nylastest.NewNetwork()))}
	for _, tt := range []struct {
		change  object
		message string
	}{
		{object{"metric": nil}, "metric, threshold and window_hours are required"},
		{object{"threshold": nil}, "metric, threshold and window_hours are required"},
		{object{"metric": "open_rate"}, "metric must be bounce_rate, complaint_rate or delivery_rate"},
		{object{"threshold": 100}, "threshold is out of range for the metric"},
		{object{"threshold": -1}, "threshold is out of range for the metric"},
		{object{"metric": "delivery_rate", "threshold": 0}, "threshold is out of range for the metric"},
		{object{"threshold": 0.125}, "threshold must have at most 2 decimal places"},
		{object{"window_hours": 0}, "window_hours must be from 1 to 24"},
		{object{"window_hours": 25}, "window_hours must be from 1 to 24"},
		{object{"min_volume": -1}, "min_volume must be from 0 to 1000000000"},
		{object{"min_volume": 1_000_000_001}, "min_volume must be from 0 to 1000000000"},
		{object{"name": "x"}, `unknown field "/name"`},
	} {
		w.call(http.MethodPost, "/v3/alerts/send", rule(tt.change)).refused(http.StatusBadRequest, "api.invalid_request_error", tt.message)
	}
	for _, threshold := range []float64{0, 0.07, 0.29, 33.33, 99.99} {
		require.Equal(t, http.StatusOK, w.call(http.MethodPost, "/v3/alerts/send", rule(object{"threshold": threshold})).status, threshold)
	}
	fake.end()
	assert.Len(t, fake.failures, 1, "%v", fake.failures)
}
