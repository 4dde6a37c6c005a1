package instance

import (
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/sohost/sohost/abi"
)

type pricer interface {
	Price(item string, counts ...int) (cents int, err error)
	Name() string
}

type (
	prices     struct{}
	otherName  struct{ prices }
	otherPrice struct{ prices }
)

func (prices) Price(string, ...int) (int, error) { return 1, nil }
func (prices) Name() string                      { return "" }
func (otherName) Name(int) string                { return "" }
func (otherPrice) Price(string, []int) (int, error) {
	return 1, nil
}

type pointing struct{}

func (*pointing) Price(string, ...int) (int, error) { return 1, nil }
func (*pointing) Name() string                      { return "" }

// TestLacks names each method that is missing, or has another form.
func TestLacks(t *testing.T) {
	required := reflect.TypeFor[pricer]()
	for _, test := range []struct {
		value any
		want  string // in the error
	}{
		{prices{}, ""},
		{&prices{}, ""},
		{&pointing{}, ""},
		{pointing{}, "it lacks Name() string, which *pointing has: return a pointer; Price(string, ...int) (int, error), which *pointing has"},
		{otherName{}, "a instance.otherName is no instance.pricer; it lacks Name() string, and has Name(int) string"},
		{otherPrice{}, "it lacks Price(string, ...int) (int, error), and has Price(string, []int) (int, error)"},
		{struct{}{}, "it lacks Name() string; Price(string, ...int) (int, error)"},
		{nil, "it is nil"},
	} {
		err := Lacks(test.value, required)
		if (err == nil) != (test.want == "") || err != nil && (!errors.Is(err, ErrNotImplemented) || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%T: %v, want %q", test.value, err, test.want)
		}
	}
	if err := Lacks(7, reflect.TypeFor[string]()); err == nil || !strings.Contains(err.Error(), "it is a int, want a string") {
		t.Error(err)
	}
	if err := Lacks(7, reflect.TypeFor[int]()); err != nil {
		t.Error(err)
	}
}

// TestRequired makes instances of which something else than a handler is required.
func TestRequired(t *testing.T) {
	for _, test := range []struct {
		value    abi.Instance
		required reflect.Type
		want     error
	}{
		{prices{}, reflect.TypeFor[pricer](), nil},
		{quiet{}, reflect.TypeFor[pricer](), ErrNotImplemented},
		{quiet{}, reflect.TypeFor[http.Handler](), nil},
		{prices{}, reflect.TypeFor[io.Closer](), ErrNotImplemented},
		{prices{}, nil, ErrNoHandler},
		{(*prices)(nil), reflect.TypeFor[pricer](), ErrNoHandler},
	} {
		in, err := New(limited(t), imageOf(test.value, nil, abi.Descriptor{}), nil, test.required, nil, notLate(t))
		if in == nil || !errors.Is(err, test.want) {
			t.Errorf("%T as %v: %v, want %v", test.value, test.required, err, test.want)
		}
	}
}
