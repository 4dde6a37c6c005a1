package build

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// asmArgs changes the assembler's arguments to the path that the compiler used. Before compiling, the go command asks the
// assembler for the symbols it will define (-gensymabis); the id isn't known then, and compile rewrites that list.
func asmArgs(args []string) ([]string, error) {
	at := argument(args, "-p")
	if at < 0 {
		return args, nil
	}
	name, err := pathFile(args)
	if err != nil {
		return nil, err
	}
	path, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return args, nil
	}
	if err != nil {
		return nil, err
	}
	args[at] = string(path)
	return args, nil
}

// renameSymabis rewrites the list of symbols that the assembler defines and refers to. Its lines are like "def pkg.f ABI0".
func renameSymabis(file, from, to string, p *plan) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	list, err := symabis(string(b), from, to, p)
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(list), 0o600)
}

func symabis(list, from, to string, p *plan) (string, error) {
	var out strings.Builder
	for line := range strings.Lines(list) {
		verb, rest, _ := strings.Cut(line, " ")
		name, tail, _ := strings.Cut(rest, " ")
		prefix, symbol := splitSymbol(name)
		if prefix == symbolPrefix(from) {
			fmt.Fprintf(&out, "%s %s.%s %s", verb, symbolPrefix(to), symbol, tail)
			continue
		}
		if prefix != "" {
			for path := range p.Roles {
				if p.private(path) && symbolPrefix(path) == prefix {
					return "", fmt.Errorf("assembly refers to %s of another package, whose path is different in an isolated image; "+
						"call it through a Go function of the same package", name)
				}
			}
		}
		out.WriteString(line)
	}
	return out.String(), nil
}
