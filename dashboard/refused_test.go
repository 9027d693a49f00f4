package dashboard_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/nylastrack/nylas-go/engagement"
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

// What cannot be read of a filter must not become no filter.
func TestMalformedQueries(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.spring()
	for _, path := range []string{
		"/", "/messages.csv", "/events.csv", "/campaigns", "/campaign", "/messages/g-1/m-1", "/messages/g-1/m-1/body", "/threads/g-1/t-1", "/changes",
	} {
		for _, query := range []string{"grant=%zz", "search=a;b", "name=spring&grant=%", "%zz=1"} {
			w := s.do(http.MethodGet, path+"?"+query)
			assert.Equal(t, http.StatusBadRequest, w.Code, path+"?"+query)
			assert.Contains(t, w.Body.String(), "write % as %25", path+"?"+query)
		}
	}
	assert.Empty(t, s.log.String())
}

// What is not there is not there in every form.
func TestWhatIsNotThere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.spring()
	s.sent("new", noon, func(m *engagement.Sent) { m.Label = "not judged" })
	for _, path := range []string{
		"/events.csv?grant=g-1&message=nope", "/messages.csv?grant=g-1&message=nope", "/events.csv?message=m-1", "/events.csv?grant=g-1&thread=nope",
		"/campaign?name=nope", "/campaign?name=nope&state=clicked", "/campaign?name=nope&after=m1_1", "/campaign?name=&state=clicked",
	} {
		assert.Equal(t, http.StatusNotFound, s.do(http.MethodGet, path).Code, path)
	}
	for _, path := range []string{
		"/campaign?name=spring&state=replied", "/campaign?name=spring&after=m1_1", "/campaign?name=not+judged&state=clicked", "/events.csv?grant=g-1&message=m-6",
	} {
		assert.Equal(t, http.StatusOK, s.do(http.MethodGet, path).Code, path)
	}
}
