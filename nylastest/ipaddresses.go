package nylastest

// EndpointIPAddresses tells where notifications come from.
const EndpointIPAddresses Endpoint = "GET /v3/webhooks/ip-addresses"

// serveIPAddresses answers as to an application with an enterprise contract: what
// others get is not published. Notifications come from this machine.
func (s *Server) serveIPAddresses(*call) *response {
	return dataResponse(map[string]any{"ip_addresses": []string{"127.0.0.1"}, "updated_at": s.startedAt.Unix()})
}
