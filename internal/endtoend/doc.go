// Package endtoend holds tests only: those in which the client, the emulator of
// package nylastest and a receiver run together, on a network in memory. The unit
// tests of a package stand beside it.
package endtoend
