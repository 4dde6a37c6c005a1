package sub

func Name() string { return "a" }
