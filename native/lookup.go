package native

import (
	"fmt"
	"reflect"
)

// TypeError reports that a symbol doesn't have the wanted type.
type TypeError struct {
	Symbol      string
	Want, Found string // with full import paths
}

func (e *TypeError) Error() string {
	if e.Want == e.Found {
		return fmt.Sprintf("symbol %s: %s comes from another build of its package", e.Symbol, e.Found)
	}
	return fmt.Sprintf("symbol %s: want %s, found %s", e.Symbol, e.Want, e.Found)
}

// Is makes the error match ErrSymbolType.
func (e *TypeError) Is(target error) bool { return target == ErrSymbolType }

// Lookup returns the image's exported variable of type T, or a pointer to its exported function of type T. The errors are
// ErrNoSymbol and a *TypeError.
func Lookup[T any](im *Image, symbol string) (*T, error) {
	s, err := im.Symbol(symbol)
	if err != nil {
		return nil, err
	}
	switch s := s.(type) {
	case *T:
		return s, nil
	case T:
		if reflect.TypeFor[T]().Kind() == reflect.Func {
			return &s, nil
		}
	}
	found := reflect.TypeOf(s)
	if found.Kind() == reflect.Pointer {
		found = found.Elem()
	}
	return nil, &TypeError{Symbol: symbol, Want: typeName(reflect.TypeFor[T]()), Found: typeName(found)}
}

// Symbol returns the image's exported variable, as a pointer, or its exported function, whatever its type. The error is ErrNoSymbol.
func (im *Image) Symbol(name string) (any, error) {
	s, err := im.plugin.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("look up symbol %s: %w", name, ErrNoSymbol)
	}
	return s, nil
}

// typeName returns the name of a type with its full import path. Two packages of one name are the usual mistake.
func typeName(t reflect.Type) string {
	if t.Name() != "" && t.PkgPath() != "" {
		return t.PkgPath() + "." + t.Name()
	}
	if t.Kind() == reflect.Pointer {
		return "*" + typeName(t.Elem())
	}
	return t.String()
}
