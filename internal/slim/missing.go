package slim

import (
	"debug/elf"
	"slices"
	"strings"
)

// Missing returns which of the Go symbols that a linked image doesn't define the host doesn't define either, sorted. There should be
// none.
func (h *Host) Missing(image string) ([]string, error) {
	f, err := elf.Open(image)
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, s := range symbols {
		isGo := strings.ContainsAny(s.Name, ".:")
		if _, ok := h.symbol(s.Name); isGo && !ok && s.Section == elf.SHN_UNDEF && elf.ST_BIND(s.Info) != elf.STB_WEAK {
			missing = append(missing, s.Name)
		}
	}
	slices.Sort(missing)
	return missing, nil
}
