package native

import (
	"bytes"
	"os"
	"testing"
)

// FuzzMappings reads memory maps with any content.
func FuzzMappings(f *testing.F) {
	own, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(own[:min(len(own), 4<<10)])
	f.Add([]byte("7f12-7f34 r-xp 0000 fe:00 1234    /path\nRss:    12 kB\nSwap: x kB\n7f34-7f35 rw-p 0 0:0 0\nAnonymous: 99999999999999999999 kB\n"))
	f.Add([]byte("-\n- - - - -\n:\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		maps, err := parseMaps(bytes.NewReader(data), []string{"/path"})
		if err == nil && len(maps) != 1 {
			t.Errorf("the maps are of %d files", len(maps))
		}
	})
}
