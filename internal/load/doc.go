// Package load measures HTTP handlers for the benchmarks of the modules here: the
// server runs in a process of its own, so that what it costs can be told from
// what asking costs, and the requests are made beforehand and written to
// connections that are kept, so that asking costs little.
//
// A server is the test binary itself, started again. So TestMain names what can
// be served:
//
//	func TestMain(m *testing.M) {
//		load.Serve(map[string]load.Setup{"empty": setUpEmpty, "receiver": setUpReceiver})
//		os.Exit(m.Run())
//	}
//
// and a benchmark starts one and asks it:
//
//	server := load.Start(b, "receiver")
//	request := load.Post(body, "X-Nylas-Signature", signature)
//	result := server.Ask(b, 64, 20_000, func(int) []byte { return request })
//	b.ReportMetric(float64(result.CPU.Microseconds())/20_000, "cpu-us")
//
// Everything stays on the loopback interface and ends by itself: a server ends
// with the benchmark, and when the process that started it dies.
package load
