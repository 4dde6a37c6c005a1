// Command plain is a plugin as the go command builds it.
package main

// Crash panics.
func Crash(command, arg string) {
	go func() { panic(command) }()
}

func main() {}
