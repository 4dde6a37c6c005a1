package pidfd

import (
	"bytes"
	"os"
	"strconv"
)

// Stopped reports whether somebody has stopped the process with that ID, by SIGSTOP or as a debugger does.
func Stopped(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, state, _ := bytes.Cut(b[bytes.LastIndexByte(b, ')')+1:], []byte(" ")) // proc(5); the name may have anything in it
	return len(state) > 0 && (state[0] == 'T' || state[0] == 't')
}
