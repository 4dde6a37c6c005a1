package main

import (
	"bytes"
	"context"
	"encoding/gob"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/sohost/sohost/abi"
)

type shape interface{ area() int }

type circle struct{ R int }

func (c circle) area() int { return 3 * c.R * c.R }

type drawing struct{ Shapes []shape }

var Plugin = abi.Descriptor{
	ABI: abi.Version,
	New: func(context.Context, abi.Host) (abi.Instance, error) { return instance{}, nil },
}

type instance struct{}

// String reads what the generation before has written, and writes its own.
func (instance) String() string {
	gob.Register(circle{})
	before := []byte(os.Getenv("DRAWING"))
	plain, mended := read(before), read(current(before))
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(drawing{[]shape{circle{generation}}}); err != nil {
		return err.Error()
	}
	os.Setenv("DRAWING", strings.ReplaceAll(b.String(), "\x00", "\x01nul")) // an environment has no zero bytes
	return fmt.Sprintf("%d type=%T name=%s plain=%s mended=%s stable=%s", generation, circle{}, reflect.TypeFor[circle]().Name(), plain, mended, stable())
}

const generation = 1

func read(data []byte) string {
	data = bytes.ReplaceAll(data, []byte("\x01nul"), []byte("\x00"))
	var d drawing
	if err := gob.NewDecoder(bytes.NewReader(data)).Decode(&d); err != nil {
		text, _, _ := strings.Cut(err.Error(), ":")
		return strings.ReplaceAll(text, " ", "-")
	}
	return fmt.Sprint(d.Shapes[0].area())
}

// stable tries a name that is the same in all generations.
func stable() (result string) {
	defer func() {
		if v := recover(); v != nil {
			result = "panic"
		}
	}()
	gob.RegisterName("circle", struct{ *circle }{})
	return "registered"
}

func main() {}
