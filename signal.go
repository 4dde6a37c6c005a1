package sohost

// signal says that something may have changed. One that is already waiting covers a newer change too. Its capacity is 1.
type signal chan struct{}

// raise never blocks.
func (s signal) raise() {
	select {
	case s <- struct{}{}:
	default:
	}
}
