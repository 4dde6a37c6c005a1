package build

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/sohost/sohost/internal/adapters"
	"github.com/sohost/sohost/native"
)

// check refuses an image that the host could not load. The runtime may refuse what compiler and linker accept, and it is best
// reported at build time.
func (s *surveyed) check(image *native.Info, p *plan) error {
	err := adapters.Check(image, p.api, s.process)
	if rejection := (*native.Rejection)(nil); errors.As(err, &rejection) {
		for i, r := range rejection.Reasons {
			switch {
			case r.Code != native.WrongPackage:
			case r.Subject == abiPath:
				rejection.Reasons[i].Remedy = abiRemedy(s.host, s.listing.find(abiPath))
			case p.Contracts[r.Subject] != "":
				rejection.Reasons[i].Remedy = contractRemedy(s.host, s.exe, s.listing.find(r.Subject))
			}
		}
		return &ImageError{Package: p.Main, Rejection: rejection}
	}
	if err != nil {
		return fmt.Errorf("check the image: %w", err)
	}
	return nil
}

// abiRemedy returns the remedy for an image that was built for this host and still has a different package abi.
func abiRemedy(h host, contract *listed) string {
	if m := contract.Module; m != nil && filepath.Base(m.Dir) == ContractDir {
		return fmt.Sprintf("renew the copy of the contract in %s with `sohost new --contract %s`, using the sohost that serves the plugin",
			m.Dir, filepath.Dir(m.Dir))
	}
	if !h.trimpath {
		return "build the host with -trimpath; without it, plugin and host must find " + abiPath + " in the same directory"
	}
	return "require the version of " + abiModule + " that the host was built with in the plugin's go.mod"
}
