package main

import (
	"cmp"
	"context"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/sohost/sohost/internal/build"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/spf13/cobra"
)

func newDevCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dev PACKAGE",
		Short: "Rebuild a plugin and reload it whenever its source is saved",
		Long: `Dev watches the source of a plugin, its own packages and what it imports from modules on this disk, builds it on each
save and deploys the image to the running server. A compile error is shown where it is, and the code that serves goes on.
Saves that come during a build lead to one more build. SIGINT ends it.

It runs beside "sohost run", in the same directory or with the same --control.`,
		Example: `  sohost dev ./plugins/counter
  sohost dev --name greeter ../greeter`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeDirectories,
	}
	var o build.Options
	f := cmd.Flags()
	f.StringVarP(&o.Output, "output", "o", "", "image `file` to write (default: the one that the server has the plugin from)")
	f.StringVar(&o.Host, "host", "", "`executable` of the server (default: this one)")
	name := f.String("name", "", "`name` of the plugin in the server (default: that of --output, or else of the package)")
	server, asJSON := connect(cmd), f.Bool("json", false, "print one JSON object a line for each build, for machines")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.Package, o.Log = args[0], cmd.ErrOrStderr()
		client, err := server()
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		if o.Output == "" {
			c, err := serverConfig(cmd)
			if err != nil {
				return err
			}
			*name = cmp.Or(*name, imageName(o.Package))
			o.Output = imageFile(ctx, client, c, *name)
		}
		d := developer{options: o, name: *name, client: client}
		return d.run(ctx, newTeller(cmd.OutOrStdout(), cmd.ErrOrStderr(), *asJSON))
	}
	return cmd
}

// imageFile is where the server has the image of a plugin, or would look for it: written elsewhere, it would be deployed now
// and be old at the next start.
func imageFile(ctx context.Context, client *control.Client, c *config, plugin string) string {
	if s, err := client.Status(ctx); err == nil {
		for _, p := range s.Plugins {
			if p.Name == plugin {
				return p.Image
			}
		}
	}
	if p, ok := c.Plugin[plugin]; ok {
		return p.Image
	}
	return filepath.Join(c.pluginsDir(), plugin+".so")
}
