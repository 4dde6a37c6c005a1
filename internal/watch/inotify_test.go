package watch

import (
	"encoding/binary"
	"reflect"
	"testing"

	"golang.org/x/sys/unix"
)

func raw(wd int32, mask uint32, name string, padding int) []byte {
	var b []byte
	b = binary.NativeEndian.AppendUint32(b, uint32(wd))
	b = binary.NativeEndian.AppendUint32(b, mask)
	b = binary.NativeEndian.AppendUint32(b, 0)
	b = binary.NativeEndian.AppendUint32(b, uint32(len(name)+padding))
	b = append(b, name...)
	return append(b, make([]byte, padding)...)
}

func TestParse(t *testing.T) {
	buf := raw(-1, unix.IN_Q_OVERFLOW, "", 0)
	buf = append(buf, raw(7, unix.IN_CLOSE_WRITE, "x.so", 12)...)
	buf = append(buf, raw(8, unix.IN_MOVED_TO, "full", 0)...)
	want := []record{{-1, unix.IN_Q_OVERFLOW, ""}, {7, unix.IN_CLOSE_WRITE, "x.so"}, {8, unix.IN_MOVED_TO, "full"}}
	if got := parse(buf); !reflect.DeepEqual(got, want) {
		t.Errorf("parse = %+v, want %+v", got, want)
	}
	if got := parse(buf[:len(buf)-1]); !reflect.DeepEqual(got, want[:2]) {
		t.Errorf("parse of a cut off record = %+v, want %+v", got, want[:2])
	}
}

func FuzzParse(f *testing.F) {
	f.Add(raw(1, unix.IN_CREATE, "x", 15))
	f.Add(raw(1, unix.IN_CREATE, "", 0)[:15])
	f.Fuzz(func(t *testing.T, buf []byte) {
		if n := len(parse(buf)); n > len(buf)/unix.SizeofInotifyEvent {
			t.Errorf("%d records in %d bytes", n, len(buf))
		}
	})
}
