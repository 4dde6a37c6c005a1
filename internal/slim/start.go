package slim

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/sohost/sohost/internal/goobj"
)

// EntryName is the function that keeps what AddStart defines, for the linker's -E.
const EntryName = "sohost.entry"

// startNames are the functions of startSources.
var startNames = []string{"runtime.addmoduledata", "runtime.mapinitnoop", EntryName}

// startSources hold what the linker wants in every plugin besides what the host has: the function that adds the plugin to the runtime's
// list of modules, which a host need not have kept, and one that does nothing. The linker refers to the first after it has found out
// what is reachable. The entry point, which nobody calls, makes that what it refers to is. %d is where a module has the next one's address.
var startSources = map[elf.Machine]string{
	elf.EM_X86_64: `
TEXT runtime·addmoduledata(SB), 4, $0-0
	PUSHQ R15 // accesses to the variable use it, and the caller needs it
	MOVQ  runtime·lastmoduledatap(SB), AX
	MOVQ  DI, %d(AX)
	MOVQ  DI, runtime·lastmoduledatap(SB)
	POPQ  R15
	RET

TEXT runtime·mapinitnoop<ABIInternal>(SB), 4, $0-0
	RET

TEXT sohost·entry(SB), 4, $0-0
	MOVQ runtime·lastmoduledatap(SB), AX
	RET
`,
	elf.EM_AARCH64: `
TEXT runtime·addmoduledata(SB), 4, $0-0
	SUB  $16, RSP
	MOVD R27, 8(RSP) // accesses to the variable use it, and the caller needs it
	MOVD runtime·lastmoduledatap(SB), R1
	MOVD R0, %d(R1)
	MOVD R0, runtime·lastmoduledatap(SB)
	MOVD 8(RSP), R27
	ADD  $16, RSP
	RET

TEXT runtime·mapinitnoop<ABIInternal>(SB), 4, $0-0
	RET

TEXT sohost·entry(SB), 4, $0-0
	MOVD runtime·lastmoduledatap(SB), R1
	RET
`,
}

// Tools are the Go assembler and compiler.
type Tools struct {
	Dir string
	Env []string // that they run in
}

func (t Tools) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(t.Dir, name), args...)
	cmd.Env = t.Env
	return cmd
}

// AddStart writes a copy of the plugin's main archive that has the code that adds the plugin's module, and imports what comes along.
// work is a directory for the files of tools.
func (c *Closure) AddStart(h *Host, archive, to string, tools Tools, work string) error {
	b, err := os.ReadFile(archive)
	if err != nil {
		return err
	}
	member, err := h.start(tools, work)
	if err != nil {
		return err
	}
	b = append(b, make([]byte, len(b)&1)...)
	b = append(b, fmt.Sprintf("%-16s%-12d%-6d%-6d%-8o%-10d`\n", "sohost.o", 0, 0, 0, 0o644, len(member))...)
	b = append(b, member...)
	b = append(b, make([]byte, len(member)&1)...)
	members, err := c.imports(tools, work)
	if err != nil {
		return err
	}
	return os.WriteFile(to, append(b, members...), 0o600)
}

// start returns the object of the sources.
func (h *Host) start(tools Tools, work string) ([]byte, error) {
	source, object := filepath.Join(work, "sohost_start.s"), filepath.Join(work, "sohost_start.o")
	if err := os.WriteFile(source, fmt.Appendf(nil, startSources[h.Machine], h.nextModule()), 0o600); err != nil {
		return nil, err
	}
	// Only assembly of packages such as this one may define functions of the compiler's ABI.
	out, err := tools.command("asm", "-p", "internal/bytealg", "-trimpath", work+"=>", "-dynlink", "-shared", "-o", object, source).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("assemble the start of the plugin: %w: %s", err, out)
	}
	return os.ReadFile(object)
}

// imports returns the members of an archive that imports the packages that came along because of what the host lacks. The linker reads
// those that another one in the image imports. It doesn't see who else does: a function that is inlined in the image can call one of a
// package that only a package of the host's imports.
func (c *Closure) imports(tools Tools, work string) ([]byte, error) {
	source, config := "package sohost\n\nimport (\n", ""
	found := false
	for _, path := range c.Along {
		p := c.library.packages[Escape(path)]
		if p.Own {
			continue
		}
		found = true
		source += fmt.Sprintf("\t_ %q\n", path)
		config += fmt.Sprintf("packagefile %s=%s\n", path, p.Archive)
	}
	if !found {
		return nil, nil
	}
	name := filepath.Join(work, "sohost_along")
	if err := errors.Join(os.WriteFile(name+".go", []byte(source+")\n"), 0o600), os.WriteFile(name+".cfg", []byte(config), 0o600)); err != nil {
		return nil, err
	}
	out, err := tools.command("compile", "-p", "sohost", "-trimpath", work+"=>", "-dynlink", "-linkshared", "-importcfg", name+".cfg",
		"-o", os.DevNull, "-linkobj", name+".a", name+".go").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("compile imports of what comes along: %w: %s", err, out)
	}
	members, err := os.ReadFile(name + ".a")
	if err != nil {
		return nil, err
	}
	// All objects of a package must have the same fingerprint, or, such as assembly, none.
	if err := goobj.DropFingerprint(members); err != nil {
		return nil, fmt.Errorf("compile imports of what comes along: %w", err)
	}
	return bytes.TrimPrefix(members, []byte("!<arch>\n")), nil
}
