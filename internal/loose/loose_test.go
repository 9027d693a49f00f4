package loose_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/nylastrack/nylas-go/internal/loose"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, value := range []string{``, `null`, `[]`, `"a"`, `1`, `{`, `{"a":1}x`} {
		assert.Nil(t, loose.Parse([]byte(value)), value)
	}
	object := loose.Parse([]byte(" {\"a\":\"x\",\"a\":\"y\\u0041\xff\",\"n\":1}"))
	assert.Equal(t, "yA�", object.Text("a"), "the last one counts")
	assert.Empty(t, object.Text("n"))
	assert.Empty(t, object.Text("missing"))
	assert.Empty(t, loose.Object(nil).Text("a"))
	assert.NotNil(t, loose.Parse([]byte(`{}`)))
}
