package wall

// oldCalls returns the refused calls that only older architectures have.
func oldCalls() []call { return nil }
