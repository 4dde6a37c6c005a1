package build

import (
	"errors"
	"fmt"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/native"
)

// check reads the image and refuses one that the host could not load: what the compiler and the linker accept may still be
// refused by the runtime, and the place to hear of it is here.
func check(image, hostFile string, p *plan) (*Result, error) {
	info, err := native.InspectFile(image)
	if err != nil {
		return nil, fmt.Errorf("read the image: %w", err)
	}
	process, err := native.ProcessOf(hostFile)
	if err != nil {
		return nil, fmt.Errorf("read the host: %w", err)
	}
	err = native.Check(info, process, native.Requirements{Symbol: abi.Symbol, Shared: []string{abiPath}})
	if rejection := (*native.Rejection)(nil); errors.As(err, &rejection) {
		return nil, &ImageError{Package: p.Main, Rejection: rejection}
	}
	if err != nil {
		return nil, fmt.Errorf("check the image: %w", err)
	}
	return &Result{Package: p.Main, PluginPath: info.PluginPath, Toolchain: info.Toolchain,
		Fresh: []string{}, Private: []string{}}, nil
}
