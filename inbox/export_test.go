package inbox

// WithSynchronous opens the database with another setting of SQLite's than FULL,
// which loses what was accepted when the power fails.
func WithSynchronous(mode string) Option {
	return option(func(c *config) error {
		c.synchronous = mode
		return nil
	})
}
