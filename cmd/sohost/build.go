package main

import (
	"os/signal"
	"runtime"
	"syscall"

	"github.com/sohost/sohost/internal/build"
	"github.com/spf13/cobra"
)

func newBuildCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "build [PACKAGE...]",
		Short: "Build plugins into images that a server can reload",
		Long: `Build makes isolated images: an image shares only the standard library and contracts with the server. Every other
package gets a content-addressed import path, so an image can have its own version of any dependency and can be loaded next to
every earlier build.

PACKAGE is the directory of a package main in any module, or an import path; the default is the current directory. The image is
built with the toolchain and the flags of the server that will load it: this executable, or the one that --host names. If that
server could not load the image, the file is left unchanged.

The plugin's own packages, those in its directory and below, are new in every generation: their variables are initialized
again and their init functions run. All other packages are shared, variables included, by all plugins and generations that
have them with the same content. A line //sohost:fresh PATTERN in a Go file of package main gives the plugin its own copy of
those that match, in every generation, and so does --fresh; --not-fresh does the opposite.

Packages that the server names as its contracts, and what these import, are the server's in every image.`,
		Example: `  sohost build ./plugins/counter
  sohost build ./plugins/*
  sohost build --host ./myserver -o /srv/plugins/ ../shop/cmd/prices
  sohost build --ldflags "-X main.version=$(git describe)" ./cmd/prices
  sohost build --fresh example.com/shop/... ./cmd/prices
  sohost build --explain ./cmd/prices`,
		ValidArgsFunction: completeDirectories,
	}
	var opts build.Options
	f := cmd.Flags()
	output := f.StringP("output", "o", "", "`file` to write, or a directory if it ends in a slash (default build/plugins/NAME.so)")
	jobs := f.IntP("jobs", "j", runtime.NumCPU(), "`number` of plugins to build at once")
	apiFlag(cmd, &opts.API)
	f.StringVar(&opts.Host, "host", "", "`executable` of the server that will load the images (default: this one)")
	f.StringSliceVar(&opts.Fresh, "fresh", nil, "`patterns` of more packages that are new in every generation")
	f.StringSliceVar(&opts.NotFresh, "not-fresh", nil, "`patterns` of packages that generations have in common while they are the same")
	f.StringSliceVar(&opts.Tags, "tags", nil, "build `tags` to add to those of the server")
	f.StringVar(&opts.LDFlags, "ldflags", "", "linker `flags`, such as '-X main.version=1.2'")
	f.StringVar(&opts.PGO, "pgo", "", "the `profile` that the server was built with, if any")
	f.BoolVar(&opts.DWARF, "dwarf", false, "keep debug information")
	f.BoolVar(&opts.Full, "full", false, "make an image with all of its packages, also those that the server has")
	f.BoolVarP(&opts.Verbose, "verbose", "v", false, "print the packages that are compiled, and how long each phase took")
	f.BoolVar(&opts.Explain, "explain", false, "print where each package comes from: the server or the image")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			args = []string{"."}
		}
		batch, err := newBatch(opts, *output, args)
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		batch.progress = newProgress(cmd.ErrOrStderr(), "building")
		batch.run(ctx, max(*jobs, 1))
		return batch.report(cmd.OutOrStdout(), cmd.ErrOrStderr(), *asJSON)
	}
	return cmd
}
