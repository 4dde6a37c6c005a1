package main

import (
	"fmt"

	"github.com/sohost/sohost/internal/server/console"
)

// checkConsole reports an address at which there can be no console.
func (c *config) checkConsole(bad func(at keyPath, text string)) {
	if c.Console == "" {
		return
	}
	if err := console.Check(c.Console, c.ConsoleTokenFile != ""); err != nil {
		bad(keyPath{"console"}, fmt.Sprintf("console: %s: %v", c.Console, err))
	}
}
