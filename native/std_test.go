package native_test

// The image that -mutant-image names may take anything of the standard library from this program.
import _ "github.com/sohost/sohost/native/std"
