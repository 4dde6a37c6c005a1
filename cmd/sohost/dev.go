package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/build"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/spf13/cobra"
)

func newDevCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dev PACKAGE",
		Short: "Rebuild and reload a plugin whenever its source is saved",
		Long: `Dev watches the source of a plugin: its own packages, and those it imports from modules on this disk. On each save it
builds the plugin and deploys the image to the running server. A compile error is printed with its position, and the current code
keeps serving. A panic in a request is printed with the plugin's calls. Saves during a build lead to one more build; one that
changes no byte leads to none. SIGINT stops it.

Run it next to "sohost run", in the same directory or with the same --control.`,
		Example: `  sohost dev ./plugins/counter
  sohost dev --name greeter ../greeter`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeDirectories,
	}
	var o build.Options
	f := cmd.Flags()
	f.StringVarP(&o.Output, "output", "o", "", "image `file` to write (default: the one that the server loads the plugin from)")
	apiFlag(cmd, &o.API)
	f.StringVar(&o.Host, "host", "", "`executable` of the server (default: this one)")
	name := f.String("name", "", "`name` of the plugin in the server (default: from --output, or else from the package)")
	verbose := f.BoolP("verbose", "v", false, "print how long each phase took, from the save until the new code serves")
	loseState := loseStateFlag(cmd)
	server, asJSON := connect(cmd), f.Bool("json", false, "print one line of JSON for each build")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		output := newDevOutput(cmd.OutOrStdout(), cmd.ErrOrStderr(), *asJSON, *verbose)
		defer output.progress.stop()
		o.Package, o.Log = args[0], output.progress
		client, err := server()
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		d := developer{options: o, name: *name, client: client, loseState: *loseState}
		if o.Output == "" {
			c, err := serverConfig(cmd)
			if err != nil {
				return err
			}
			if err := d.findOutput(ctx, c); err != nil {
				return err
			}
		}
		if s, err := client.Brief(ctx); err == nil && s.Console != "" {
			fmt.Fprintf(cmd.ErrOrStderr(), "watch it at %s#/plugin/%s\n", s.Console, d.plugin())
		}
		client.Patience.Tell = nil // the output's progress says what is done
		return d.run(ctx, output)
	}
	return cmd
}

// findOutput sets the output to the file that the server loads the plugin from. A plugin without a name is named after its
// package, and may be new to the server. A name that was given may not: it is more likely a slip.
func (d *developer) findOutput(ctx context.Context, c *config) (err error) {
	given := d.name != ""
	d.name = cmp.Or(d.name, imageName(d.options.Package))
	d.options.Output, err = imageFile(ctx, d.client, c, d.name)
	if !given && errors.Is(err, sohost.ErrUnknownPlugin) {
		return nil
	}
	return err
}

// imageFile returns the file that the server loads the plugin's image from, or would: an image that is written elsewhere would
// serve until the next start and then be forgotten. If the server answers and there is no such plugin, the error is
// sohost.ErrUnknownPlugin, and the file is the one that adds it.
func imageFile(ctx context.Context, client *control.Client, c *config, plugin string) (string, error) {
	var names []string
	s, down := client.Status(ctx)
	for _, p := range s.Plugins {
		if p.Name == plugin {
			return p.Image, nil
		}
		names = append(names, p.Name)
	}
	if p, ok := c.Plugin[plugin]; ok {
		return p.Image, nil
	}
	file := filepath.Join(c.pluginsDir(), plugin+".so")
	if _, err := os.Stat(file); err == nil || down != nil {
		return file, nil
	}
	return file, fmt.Errorf("%w %q: the plugins are %v; to add one of this name, name its file with --output",
		sohost.ErrUnknownPlugin, plugin, names)
}
