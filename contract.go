package sohost

import (
	"embed"
	"io/fs"
)

//go:embed abi/*.go abi/keep/*.go abi/rows/*.go
var contractFiles embed.FS

// ContractSource returns the source files of package abi and of the helpers below it, exactly as they are compiled into
// this program. A plugin that is built against them fits this program even where the sohost module can't be downloaded.
func ContractSource() fs.FS { return contractFiles }
