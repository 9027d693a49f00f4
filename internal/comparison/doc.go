// Package comparison compares this SDK with what a user would take instead: a program
// written by hand with net/http and encoding/json, and the official Node SDK of Nylas with
// Node's http. It has tests only. All three do the same work in the same run:
//
//   - A receiver verifies deliveries, decodes them, and saves each open, click and reply
//     once.
//   - A sender sends tracked messages to the emulator.
//
// The tests ask what becomes of hard deliveries and of sends that fail half-way, and
// compare the answers with docs/comparison.md. The benchmarks measure the easy cases; no
// test depends on a time. Each program runs in a process of its own.
package comparison
