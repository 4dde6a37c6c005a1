package sohost

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sohost/sohost/native"
)

// checkContracts returns an error unless the program's file says of its contracts what the options say.
func (o Options) checkContracts() error {
	if len(o.Contracts) == 0 {
		return nil
	}
	self, err := native.Self()
	if err != nil {
		return fmt.Errorf("read this program's file for its contracts: %w", err)
	}
	return checkContracts(o.Contracts, self.Executable)
}

func checkContracts(contracts []string, exe *native.Info) error {
	var errs []error
	for _, path := range contracts {
		if _, ok := exe.Packages[path]; !ok {
			errs = append(errs, fmt.Errorf("contract %s: this program doesn't contain the package: import it, or correct its path", path))
		}
	}
	const declare = "declare it at package level as var " + native.ContractsVariable + " = []string{\"example.com/app/contract\"}, " +
		"with nothing but constant strings, and give that variable to Options.Contracts"
	if exe.ContractsFault != "" {
		return errors.Join(append(errs, errors.New("contracts: "+exe.ContractsFault+"; "+declare))...)
	}
	for _, path := range contracts {
		if !slices.Contains(exe.Contracts, path) {
			errs = append(errs, fmt.Errorf("contract %s: `sohost build --host` can't find it in this program's file: %s", path, declare))
		}
	}
	return errors.Join(errs...)
}
