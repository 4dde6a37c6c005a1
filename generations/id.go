package generations

import (
	"encoding/hex"
	"fmt"
)

// ID is the SHA-256 of an image's bytes.
type ID [32]byte

// shortLen is the number of hexadecimal digits shown to people: 48 bits, far too many to collide within one store.
const shortLen = 12

// ParseID parses the 64 hexadecimal digits that [ID.String] returns. It rejects upper-case digits, because one image must
// have only one file name.
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

// String returns all 64 hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Short returns the first 12 hexadecimal digits.
func (id ID) Short() string { return hex.EncodeToString(id[:shortLen/2]) }

// IsZero reports whether id is the zero ID, which stands for no image.
func (id ID) IsZero() bool { return id == ID{} }

// MarshalText returns the same digits as String.
func (id ID) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, id[:]), nil }

// UnmarshalText parses text as ParseID does.
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := ParseID(string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// clip shortens a string that an error quotes.
func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
