package native

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"testing"
)

func TestJudgeHead(t *testing.T) {
	b, err := os.ReadFile(image("alpha"))
	if err != nil {
		t.Fatal(err)
	}
	as := func(typ elf.Type) []byte {
		head := append([]byte(nil), b[:64]...)
		binary.LittleEndian.PutUint16(head[16:], uint16(typ))
		return head
	}
	for _, c := range []struct {
		head []byte
		want error
	}{
		{b[:64], nil},
		{nil, ErrEmpty},
		{[]byte("#!"), ErrNotELF},
		{[]byte("root:x:0:0:root:/root:/bin/sh and so on, for more than sixty-four bytes"), ErrNotELF},
		{b[:63], ErrTruncated},
		{as(elf.ET_EXEC), NotPlugin},
		{as(elf.ET_CORE), NotPlugin},
		{as(elf.ET_REL), NotPlugin},
	} {
		if err := JudgeHead(c.head); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("a file that begins with %.8q: %v, want %v", c.head, err, c.want)
		}
	}
}
