package otlp

import "time"

// SetPause sets the pause after the first attempt that fails. It is called before the first span is added.
func (x *Exporter) SetPause(pause time.Duration) { x.pause = pause }
