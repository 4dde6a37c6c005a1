package main

import (
	"cmp"
	"errors"
	"io"
	"runtime/debug"

	"github.com/sohost/sohost/internal/self"
	"github.com/spf13/cobra"
)

// versionReport says what a program was built from, and so what its plugins must be built with.
type versionReport struct {
	Version  string `json:"version"` // "(devel)" if the go command knew none
	Go       string `json:"go"`
	Platform string `json:"platform"`           // such as linux/amd64
	Revision string `json:"revision,omitempty"` // of the sources; "" for a build outside of a repository
	Time     string `json:"time,omitempty"`     // of the revision
	Modified bool   `json:"modified,omitempty"` // the sources were not quite those of the revision
}

func newVersionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Say which version this is, and what it was built with",
		Long: `Version says what this program was built from, by what the go command has recorded in it: the version of the module, the
commit, the Go release and the platform. Images must be built with that Go release; "sohost build" sees to it if it finds it.`,
		Example: `  sohost version
  sohost version --json`,
		Args: cobra.NoArgs,
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		info, ok := debug.ReadBuildInfo()
		if !ok {
			return errors.New("this program has no build info; build it with the go command, from a module")
		}
		r := newVersionReport(info)
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), r)
		}
		return r.print(cmd.OutOrStdout())
	}
	return cmd
}

func newVersionReport(info *debug.BuildInfo) versionReport {
	set := map[string]string{}
	for _, s := range info.Settings {
		set[s.Key] = s.Value
	}
	return versionReport{
		Version: self.Version(), Go: info.GoVersion, Platform: set["GOOS"] + "/" + set["GOARCH"],
		Revision: set["vcs.revision"], Time: set["vcs.time"], Modified: set["vcs.modified"] == "true",
	}
}

func (r versionReport) print(w io.Writer) error {
	revision := cmp.Or(r.Revision, "unknown")
	if r.Modified {
		revision += ", modified"
	}
	rows := [][]string{{"sohost", r.Version}, {"go", r.Go}, {"platform", r.Platform}, {"revision", revision}}
	if r.Time != "" {
		rows = append(rows, []string{"time", r.Time})
	}
	return table(w, nil, rows)
}
