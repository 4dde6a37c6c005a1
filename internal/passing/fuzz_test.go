package passing_test

import (
	"encoding/json"
	"io"
	"testing"

	"github.com/sohost/sohost/internal/passing"
)

// FuzzReceive receives any bytes as messages, until the sender has closed its end.
func FuzzReceive(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x02{}\x00\x00\x00\x05\"abc\""))
	f.Add([]byte("\xff\xff\xff\xff{}"))
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x01x"))
	f.Add([]byte("\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 64<<10 { // more than the socket holds
			return
		}
		mine, theirs, err := passing.Pair()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := theirs.Write(data); err != nil {
			t.Fatal(err)
		}
		theirs.Close()
		conn, err := passing.New(mine)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for range len(data) + 2 {
			var m json.RawMessage
			files, err := conn.Receive(&m)
			if len(files) > 0 {
				t.Fatal("files came from nowhere")
			}
			if err == io.EOF {
				return
			}
		}
		t.Error("there is no end to the messages")
	})
}
