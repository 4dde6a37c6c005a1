package sohost

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sohost/sohost/internal/owners"
)

// ErrOthersWrite is returned when others than root and the server's user may change an image's file, which is refused in Prod mode. See
// Options.AnyOwner.
var ErrOthersWrite = errors.New("others may change the image")

// trust looks at who may change a file that is about to be stored for the plugin. In Dev mode it only tells, once for each finding.
func (p *plugin) trust(file string) error {
	if p.host.opts.AnyOwner {
		return nil
	}
	found, err := owners.Others(file)
	if err != nil || len(found) == 0 { // storing the file will find the same error
		found = nil
	}
	others := strings.Join(found, "; ")
	p.mu.Lock()
	told := p.others == others
	p.others = others
	p.mu.Unlock()
	if others == "" {
		return nil
	}
	if p.Mode == Prod {
		return fmt.Errorf("%w: %s; take their right to write away (chmod go-w, chown), or set any_owner if you trust them", ErrOthersWrite, others)
	}
	if !told {
		p.host.log.Warn("others may change the image, which is refused in prod mode", "plugin", p.Name, "image", file, "how", others)
	}
	return nil
}
