package build

import (
	"fmt"
	"path/filepath"

	"github.com/sohost/sohost/native"
)

// Contract is a package that a host shares with its plugins because it names it a contract.
type Contract struct {
	Package string `json:"package"` // import path
	Module  string `json:"module"`  // path of the module that the host has it from

	// Version is the module's version that a plugin can require; "" if the host has the module from a directory.
	Version string `json:"version,omitempty"`

	// Replace is the module, with its version, that the host replaces it with, if any.
	Replace string `json:"replace,omitempty"`
}

// HostContracts returns the contracts of the program in a file. The error is a *Refusal if that can't be a host, or names its contracts
// in a way that can't be read, or a system error.
func HostContracts(file string) ([]Contract, error) {
	if _, err := readHost(file); err != nil {
		return nil, err
	}
	process, err := native.ProcessOf(file)
	if err != nil {
		return nil, fmt.Errorf("read the host: %w", err)
	}
	exe := process.Executable
	if err := checkHost(filepath.Base(hostName(file)), exe); err != nil {
		return nil, err
	}
	var contracts []Contract
	for _, path := range exe.Contracts {
		c := Contract{Package: path}
		if m := hostModule(exe, path); m != nil {
			c.Module = m.Path
			if used := usedByHost(m); used.version != "" {
				c.Version = m.Version
				if m.Replace != nil {
					c.Replace = used.path + "@" + used.version
				}
			}
		}
		contracts = append(contracts, c)
	}
	return contracts, nil
}
