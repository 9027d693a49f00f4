package dashboard

import (
	"net/http"

	"github.com/nylastrack/nylas-go/internal/page"
)

var homeTemplate = page.MustParse(templateFiles, "templates/shared.html", "templates/home.html")

// home shows the newest events and the messages.
func (d *Dashboard) home(w http.ResponseWriter, r *http.Request) {
	d.write(w, r, homeTemplate, http.StatusOK, "Mail", nil)
}
