package build

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strings"
)

// asmArgs gives the assembler the path that the compiler used. Before compiling, the assembler is asked for the symbols it
// will define (-gensymabis); the id isn't known then, and compile rewrites that list.
func asmArgs(args []string) ([]string, error) {
	at := argument(args, "-p")
	if at < 0 {
		return args, nil
	}
	name, err := idFile(args)
	if err != nil {
		return nil, err
	}
	id, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return args, nil
	}
	if err != nil {
		return nil, err
	}
	args[at] = renamed(args[at], string(id))
	return args, nil
}

// renameSymabis rewrites the list of symbols that the assembler defines and refers to, lines such as "def pkg.f ABI0".
func renameSymabis(file, from, to string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return os.WriteFile(file, symabis(b, from, to), 0o600)
}

func symabis(list []byte, from, to string) []byte {
	var out bytes.Buffer
	for line := range strings.Lines(string(list)) {
		verb, rest, ok := strings.Cut(line, " ")
		if name, own := strings.CutPrefix(rest, symbolPrefix(from)+"."); ok && own {
			line = verb + " " + symbolPrefix(to) + "." + name
		}
		out.WriteString(line)
	}
	return out.Bytes()
}
