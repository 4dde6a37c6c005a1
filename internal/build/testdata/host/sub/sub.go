package sub

func Name() string { return "host" }
