package state

// Way says how a value gets from one generation to another.
type Way uint8

const (
	// None: the value can't be moved; the plan's Reasons say why.
	None Way = iota

	// ByReference: both sides have the very same type, so the value is handed over as it is.
	ByReference

	// ByAdoption: the types differ only in where they come from. The memory stays and gets the receiver's type, whatever its
	// size; afterwards giver and receiver refer to the same memory.
	ByAdoption

	// ByConversion: the value is copied, field by field, into the receiver's type. The giver's value is not changed and shares
	// nothing that can change with the copy, except what stands behind pointers to open files and the like.
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
