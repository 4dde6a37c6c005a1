package cache

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"
)

// TestStream carries the values of several caches over, with what is left of their time.
func TestStream(t *testing.T) {
	a, b := New(1<<20), New(1<<20)
	a.Put("x", []byte("1"), 0)
	a.Put("y", []byte("2"), time.Hour)
	b.Put("x", []byte("3"), 0)
	b.Put("large", make([]byte, 2000), 0)
	var stream bytes.Buffer
	if err := Encode(&stream, map[string]*Cache{"": a, "b": b, "gone": a}); err != nil {
		t.Fatal(err)
	}
	whole := bytes.Clone(stream.Bytes())
	c, d := New(1<<20), New(1000)
	if err := Decode(&stream, map[string]*Cache{"": c, "b": d}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		cache      *Cache
		key, value string
	}{{c, "x", "1"}, {c, "y", "2"}, {d, "x", "3"}} {
		if got, ok := want.cache.Get(want.key); !ok || string(got) != want.value {
			t.Errorf("%s is %q, want %q", want.key, got, want.value)
		}
	}
	if n := c.Stats().Entries + d.Stats().Entries; n != 3 {
		t.Errorf("%d values came, want 3", n)
	}
	for v := range c.All() {
		if v.Key == "y" && (v.TTL <= 59*time.Minute || v.TTL > time.Hour) {
			t.Errorf("y has %v left", v.TTL)
		}
	}

	// A stream that breaks off: what came is there, and the writer isn't held up.
	rest := &counting{Reader: io.MultiReader(bytes.NewReader(whole[:len(whole)/2]), bytes.NewReader(bytes.Repeat([]byte{0xff}, 1<<20)))}
	if err := Decode(rest, map[string]*Cache{}); err == nil || rest.n != len(whole)/2+1<<20 {
		t.Errorf("%v after %d bytes", err, rest.n)
	}
	if err := Encode(broken{}, map[string]*Cache{"": a}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Encode gives %v", err)
	}
	if err := Encode(broken{}, map[string]*Cache{"": New(1000)}); err != nil {
		t.Errorf("with nothing to write Encode gives %v", err)
	}
}

type counting struct {
	io.Reader
	n int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
