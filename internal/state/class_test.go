package state

import (
	"math/big"
	"net/http"
	"os"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unique"
	"weak"
)

func TestClassOf(t *testing.T) {
	for _, c := range []struct {
		t    reflect.Type
		want class
	}{
		{reflect.TypeFor[int](), open},
		{reflect.TypeFor[entry](), open}, // not of the standard library
		{reflect.TypeFor[http.Cookie](), open},
		{reflect.TypeFor[sync.Once](), value}, // not listed, and without pointers
		{reflect.TypeFor[time.Time](), value},
		{reflect.TypeFor[strings.Builder](), plain},
		{reflect.TypeFor[time.Ticker](), plain},
		{reflect.TypeFor[big.Int](), data},
		{reflect.TypeFor[sync.Mutex](), lock},
		{reflect.TypeFor[os.File](), handle},
		{reflect.TypeFor[sync.Map](), container},
		{reflect.TypeFor[time.Timer](), opaque},
		{reflect.TypeFor[sync.Pool](), opaque}, // not listed, and not clean
		{reflect.TypeFor[weak.Pointer[int]](), opaque},
		{reflect.TypeFor[unique.Handle[int]](), value},
		{reflect.TypeFor[atomic.Pointer[int]](), plain},
		{reflect.TypeFor[atomic.Pointer[entry]](), opaque}, // names a type of the plugin
	} {
		if got := classOf(c.t); got != c.want {
			t.Errorf("%v is of class %d, want %d", c.t, got, c.want)
		}
	}
}
