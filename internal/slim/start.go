package slim

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

// AddStart writes a copy of the plugin's main archive that has the code that adds the plugin's module. Tools is the directory with the
// Go assembler, and work one for its files.
func (h *Host) AddStart(archive, to, tools, work string) error {
	source, object := filepath.Join(work, "sohost_start.s"), filepath.Join(work, "sohost_start.o")
	if err := os.WriteFile(source, fmt.Appendf(nil, startSources[h.Machine], h.nextModule()), 0o600); err != nil {
		return err
	}
	// Only assembly of packages such as this one may define functions of the compiler's ABI.
	out, err := exec.Command(filepath.Join(tools, "asm"), "-p", "internal/bytealg", "-trimpath", work+"=>", "-dynlink", "-shared", "-o", object, source).CombinedOutput()
	if err != nil {
		return fmt.Errorf("assemble the start of the plugin: %w: %s", err, out)
	}
	member, err := os.ReadFile(object)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(archive)
	if err != nil {
		return err
	}
	b = append(b, make([]byte, len(b)&1)...)
	b = append(b, fmt.Sprintf("%-16s%-12d%-6d%-6d%-8o%-10d`\n", "sohost.o", 0, 0, 0, 0o644, len(member))...)
	b = append(b, member...)
	b = append(b, make([]byte, len(member)&1)...)
	return os.WriteFile(to, b, 0o600)
}
