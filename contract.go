package sohost

import (
	"embed"
	"io/fs"
)

//go:embed abi/*.go abi/keep/*.go
var contractFiles embed.FS

// ContractSource is the source of the contract, package abi and the helpers below it, as this program was built with. A
// plugin that is built against it fits this program, wherever the module of sohost itself can't be fetched from.
func ContractSource() fs.FS { return contractFiles }
