package state

// Way is how a value gets from one generation to another.
type Way uint8

const (
	// None means that the value can't be moved; the plan's Reasons explain why.
	None Way = iota

	// ByReference means that both sides have the very same type, so the value moves as it is.
	ByReference

	// ByAdoption means that the types differ only in where they were declared. The memory stays in place and gets the
	// receiver's type, whatever its size; afterwards giver and receiver refer to the same memory.
	ByAdoption

	// ByConversion means that the value is copied, field by field, into the receiver's type. The giver's value is not changed.
	// It shares nothing that can change with the copy, except what pointers to open files and similar handles refer to.
	ByConversion
)

func (w Way) String() string {
	switch w {
	case ByReference:
		return "reference"
	case ByAdoption:
		return "adopt"
	case ByConversion:
		return "convert"
	}
	return "none"
}
