package dashboard_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
)

// An address that cannot be is the fault of who asks, and nothing to look into.
func TestPagesOfOtherLists(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.spring()
	for _, path := range []string{
		"/?after=a1_1", "/?after=cx_y", "/campaign?name=spring&after=e1_1", "/campaign?name=spring&after=c1_1", "/campaigns?after=m1_1",
		"/?after=mzzzzzzzzzzzzz_1",
	} {
		w := s.do(http.MethodGet, path)
		assert.Equal(t, http.StatusBadRequest, w.Code, path)
		assert.Contains(t, w.Body.String(), "The address of this page", path)
	}
	assert.Empty(t, s.log.String())
}
