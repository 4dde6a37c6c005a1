package wall

import (
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// FuzzReceive takes any two messages from a child, each with any number of open files. The parent keeps none of the files.
func FuzzReceive(f *testing.F) {
	f.Add([]byte(`{"layers":[{"name":"Landlock","in_force":true}]}`), []byte(`{"refused":"x"}`), byte(1), byte(0))
	f.Add([]byte("{"), []byte{0xff}, byte(2), byte(2))
	f.Add([]byte("null"), []byte("[]"), byte(0), byte(1))
	f.Add([]byte{}, []byte("late"), byte(3), byte(3))
	f.Fuzz(func(t *testing.T, first, second []byte, withFirst, withSecond byte) {
		before := openFiles(t)
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		mine := os.NewFile(uintptr(pair[0]), "link")
		link, err := net.FileConn(mine)
		mine.Close()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []struct {
			text  []byte
			files byte
		}{{first, withFirst}, {second, withSecond}} {
			var rights []byte
			if n := m.files % 4; n > 0 {
				files := make([]int, n)
				for i := range files {
					if files[i], err = unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
						t.Fatal(err)
					}
					defer unix.Close(files[i])
				}
				rights = unix.UnixRights(files...)
			}
			unix.Sendmsg(pair[1], m.text[:min(len(m.text), maxMessage)], rights, nil, 0)
		}
		unix.Close(pair[1])
		c := &child{link: link.(*net.UnixConn), admitted: make(chan struct{})}
		c.receive(make(chan string, 1), withSecond%2 == 0)
		link.Close()
		if len(c.report) > maxMessage {
			t.Errorf("a report of %d bytes", len(c.report))
		}
		if after, mine := openFiles(t), int(withFirst%4)+int(withSecond%4); after != before+mine {
			t.Errorf("%d files are open, %d were before and %d are the child's", after, before, mine)
		}
	})
}

func openFiles(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
