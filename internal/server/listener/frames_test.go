package listener

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"testing"
)

// recorder is a connection that keeps what is written to it.
type recorder struct {
	net.Conn
	bytes.Buffer
}

func (r *recorder) Read([]byte) (int, error)    { return 0, net.ErrClosed }
func (r *recorder) Write(p []byte) (int, error) { return r.Buffer.Write(p) }

// frame returns a frame with a body of n bytes.
func frame(kind, flags byte, n int) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(n)<<8|uint32(kind))
	b = append(b, flags, 0, 0, 0, 1)
	return append(b, bytes.Repeat([]byte{7}, n)...) // 7 is also the type of a GOAWAY
}

// TestFrames writes frames in pieces of any length, and tells the client to leave at any moment. It is told once, between two frames that
// may be apart, as soon as there is such a place, and nothing else changes.
func TestFrames(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		frames := [][]byte{frame(4, 0, 6)} // settings
		places := []int{len(frames[0])}    // at which GOAWAY may stand
		all := frames[0]
		for range random.IntN(5) {
			for rest := random.IntN(3); rest > 0; rest-- { // a header in several frames
				all = append(all, frame(1+8*byte(min(1, 3-rest)), 0, random.IntN(30))...)
			}
			all = append(all, frame(9, 4, random.IntN(30))...)
			places = append(places, len(all))
			all = append(all, frame(0, 0, random.IntN(300))...)
			places = append(places, len(all))
		}
		out := new(recorder)
		c := &talk{Conn: out}
		c.begin([]byte(preface))
		leave := random.IntN(len(all) + 1)
		for done := 0; done < len(all); {
			if leave <= done && !c.leaving {
				c.leave()
				leave = done
			}
			n := min(1+random.IntN(40), len(all)-done)
			if _, err := c.Write(all[done : done+n]); err != nil {
				t.Fatal(err)
			}
			done += n
		}
		if !c.leaving {
			leave = len(all)
			c.leave()
		}
		want := -1
		for _, place := range places {
			if place >= leave {
				want = place
				break
			}
		}
		told := append(append(bytes.Clone(all[:want]), goAway...), all[want:]...)
		if !bytes.Equal(out.Bytes(), told) {
			t.Fatalf("frames that end at %v, left at %d: want GOAWAY at %d; written were\n%v", places, leave, want, out.Bytes())
		}
	}
}

// TestFramesGoAway writes a GOAWAY of net/http's own. After that another one would name a larger stream, which clients take for a fault.
func TestFramesGoAway(t *testing.T) {
	out := new(recorder)
	c := &talk{Conn: out}
	c.begin([]byte(preface))
	all := append(frame(settingsFrame, 0, 6), frame(goAwayFrame, 0, 8)...)
	c.Write(all)
	c.leave()
	more := frame(dataFrame, 1, 10)
	c.Write(more)
	if want := append(all, more...); !bytes.Equal(out.Bytes(), want) {
		t.Errorf("written were\n%v, want\n%v", out.Bytes(), want)
	}
}
