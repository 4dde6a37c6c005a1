package generations

import (
	"encoding/hex"
	"fmt"
)

// ID is the SHA-256 of an image's bytes.
type ID [32]byte

// shortLen is how many hexadecimal digits people are shown: 48 bits, far from colliding among the images of one store.
const shortLen = 12

// ParseID reads the 64 hexadecimal digits that [ID.String] gives. Upper-case digits are refused, as one image must have
// one file name only.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != hex.EncodedLen(len(id)) {
		return ID{}, fmt.Errorf("parse image id %q: want 64 hexadecimal digits, have %d characters", clip(s), len(s))
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return ID{}, fmt.Errorf("parse image id %q: %w", s, err)
	}
	if id.String() != s {
		return ID{}, fmt.Errorf("parse image id %q: want lower-case digits", s)
	}
	return id, nil
}

// String gives all 64 hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Short gives the first 12 hexadecimal digits.
func (id ID) Short() string { return hex.EncodeToString(id[:shortLen/2]) }

// IsZero tells whether id is the zero ID, which stands for no image.
func (id ID) IsZero() bool { return id == ID{} }

// MarshalText gives what String gives.
func (id ID) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, id[:]), nil }

// UnmarshalText reads what MarshalText gives.
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := ParseID(string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// clip keeps an error's text short whatever it quotes.
func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
