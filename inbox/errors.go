package inbox

import "errors"

var (
	// ErrClosed means that the Inbox was closed. The delivery was not stored.
	ErrClosed = errors.New("inbox: closed")
	// ErrInUse means that another Inbox, in this process or in another one, has the
	// file open.
	ErrInUse = errors.New("inbox: the file is in use: only one process may have it open; " +
		"end the other one, or use a database server (sinks/riversink) for several processes")
	// ErrCorrupt means that the file is damaged, or that a part of it cannot be read. The
	// error's text says what is wrong with it and what to do. An Inbox that finds damage
	// while the file is open refuses deliveries from then on; see [Stats.Damage].
	ErrCorrupt = errors.New("inbox: the file is damaged")
	// ErrRunning means that [Inbox.Run] was called while another call of it runs.
	ErrRunning = errors.New("inbox: Run is running already")
	// ErrOverloaded means that more than 64 MiB of deliveries wait for the disk. The
	// delivery was not stored.
	ErrOverloaded = errors.New("inbox: too much waits for the disk")
	// ErrHandlerTimeout is the cause of the end of a handler's context when its time
	// is over, see [WithHandlerTimeout].
	ErrHandlerTimeout = errors.New("inbox: handler did not return in time")
)
