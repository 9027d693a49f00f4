// Package inbox keeps deliveries in a file until they are handled: a durable
// queue on SQLite in the process itself, without a server beside it.
//
// An [Inbox] is a [receive.Handler]. Put it between the Receiver and your own
// handler:
//
//	box, err := inbox.Open("nylas.db")
//	if err != nil {
//		log.Fatal(err)
//	}
//	receiver, err := receive.New(box, box.Secrets())
//	if err != nil {
//		log.Fatal(err)
//	}
//	go serve(receiver)
//	err = box.Run(ctx, dispatcher) // until ctx is done
//	if err := errors.Join(err, box.Close()); err != nil {
//		log.Fatal(err)
//	}
//
// [Inbox.Secrets] keeps the secrets of the webhook in the same file, for the receiver and
// for the client's Subscribe and Rotate. [Inbox.SecretsFor] keeps those of further webhooks.
//
// # What it promises
//
//   - HandleDelivery returns nil only when the delivery is on the disk: neither
//     the end of the process nor a power cut loses it after that, if the disk
//     keeps what it says it keeps.
//   - What is stored is handled at least once. After a crash a delivery whose
//     handler ran may be handled again; what was marked as done is not.
//   - One id is stored once. It is remembered for the retention, 7 days unless
//     [WithRetention] says otherwise, counted from its acceptance, and for as
//     long as it waits or lies among the dead letters. Nylas repeats a
//     notification within 20 minutes, and 72 hours after an endpoint failed; what
//     comes again later than the retention is handled again.
//   - A delivery that fails is tried again, later each time, and in the end becomes
//     a dead letter, which keeps its body and its last error. It does not hold up
//     others, but those of its own key where [WithOrder] asks for order.
//   - Once the file is known to be damaged, or another program cut or overwrote it,
//     HandleDelivery returns [ErrCorrupt] for every delivery, Stats says so, and the logger
//     is told once.
//   - The size of the file is bounded by what waits, the dead letters, the ids of the
//     retention, about 50 bytes each, and the bodies that [WithHistory] keeps for
//     [Inbox.Replay].
//
// # What it needs
//
// The file holds the webhook's secrets and people's addresses. Open makes it readable
// only by its owner (mode 0600); treat copies of it alike.
//
// A local disk that outlives the process: not NFS, and not the file system of a
// container that is thrown away. One process at a time; more than that is what
// the sinks of the project are for. The files with the endings -wal and, at
// times, -journal are part of the inbox: never remove or copy one without the
// others, and copy only while no process has it open. The file with the ending .lock
// keeps a second process out: never remove it while a process runs.
//
// In the repository, docs/outages.md says what to do after an outage, and docs/scaling.md when
// one process is not enough.
package inbox
