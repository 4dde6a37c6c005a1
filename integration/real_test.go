package integration

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/build"
	"github.com/sohost/sohost/internal/server/control"
)

// real is a plugin around a library of the world outside: testdata/real/NAME.go.
type real struct {
	name          string
	library       string
	first, second string   // versions of the library
	also          []string // modules that have the library's versions
	with          string   // another module, with its version
	env           []string
	handover      bool // another version of the library needs a new process
}

var reals = []real{
	{name: "gin", library: "github.com/gin-gonic/gin", first: "v1.11.0", second: "v1.12.0"},
	{name: "echo", library: "github.com/labstack/echo/v4", first: "v4.15.4", second: "v4.16.0"},
	{name: "prometheus", library: "github.com/prometheus/client_golang", first: "v1.24.1", second: "v1.25.0"},
	{name: "pgx", library: "github.com/jackc/pgx/v5", first: "v5.12.0", second: "v5.13.0"},
	{name: "grpc", library: "google.golang.org/grpc", first: "v1.84.0", second: "v1.85.0"},
	{name: "otel", library: "go.opentelemetry.io/otel", first: "v1.46.0", second: "v1.47.0",
		also: []string{"go.opentelemetry.io/otel/sdk", "go.opentelemetry.io/otel/sdk/metric"}},
	{name: "wazero", library: "github.com/tetratelabs/wazero", first: "v1.11.0", second: "v1.12.0"},
	// It enters its name into database/sql. Without optimisation its C code compiles in a tenth of the time.
	{name: "sqlite", library: "github.com/mattn/go-sqlite3", first: "v1.14.52", second: "v1.14.53", env: []string{"CGO_CFLAGS=-O0"}, handover: true},
	{name: "segmentio", library: "github.com/segmentio/encoding", first: "v0.5.3", second: "v0.5.4"},
	{name: "sonic", library: "github.com/bytedance/sonic", first: "v1.15.4", second: "v1.15.5"},
	{name: "viper", library: "github.com/spf13/viper", first: "v1.20.1", second: "v1.21.0"},
	{name: "zap", library: "go.uber.org/zap", first: "v1.27.1", second: "v1.28.0"},
	{name: "fasthttp", library: "github.com/valyala/fasthttp", first: "v1.77.0", second: "v1.78.0"},
	{name: "bbolt", library: "go.etcd.io/bbolt", first: "v1.4.3", second: "v1.5.0"},
	{name: "redis", library: "github.com/redis/go-redis/v9", first: "v9.22.0", second: "v9.23.0"},
	{name: "gorm", library: "gorm.io/gorm", first: "v1.31.1", second: "v1.31.2", with: "github.com/glebarez/sqlite@v1.11.0"},
	{name: "s3", library: "github.com/aws/aws-sdk-go-v2/service/s3", first: "v1.114.8", second: "v1.114.10"},
}

// realOpens is how often slim and full images are opened in turn to compare how long that takes.
const realOpens = 7

// TestReal has plugins around well-known libraries served, reloaded with another code of their own, with another version of the
// library, as full images, and back. They answer the same as slim and as full images, and no count is lost. It prints a table.
func TestReal(t *testing.T) {
	if testing.Short() || *arm64 {
		t.Skip("it fetches and compiles seventeen libraries; make corpus runs it")
	}
	rows := make([]string, len(reals))
	for i, r := range reals {
		t.Run(r.name, func(t *testing.T) { rows[i] = r.run(t) })
	}
	fmt.Printf("\n%s", strings.Join(slices.DeleteFunc(rows, func(row string) bool { return row == "" }), ""))
}

func (r *real) run(t *testing.T) (row string) {
	src := r.source(t)
	first := r.build(t, src)
	src.edit("plugin.go", `revision = "first"`, `revision = "second"`)
	second := r.build(t, src)
	full := r.build(t, src, "--full")
	r.require(src, r.second)
	newer := r.build(t, src)
	if !first.Slim || full.Slim || !newer.Slim {
		t.Errorf("slim: %t, %s; %t; %t, %s", first.Slim, first.WhyFull, full.Slim, newer.Slim, newer.WhyFull)
	}

	p := newPlace(t)
	d := p.start(t, "--plugin", r.name+"="+first.Output, "--old-generations=-1", "--old-memory=-1", "--old-goroutines=-1")
	requests := 0
	ask := func(revision string) string {
		t.Helper()
		requests++
		body, _ := d.get("/" + r.name)
		answer, ok := strings.CutPrefix(body, fmt.Sprint(requests, " ", revision, " "))
		if !ok {
			t.Errorf("request %d answered by revision %s: %s", requests, revision, body)
		}
		return answer
	}
	want := ask("first")
	for _, next := range []struct {
		what     string
		image    *build.Result
		revision string
	}{
		{"other code of its own", second, "second"}, {"another version of the library", newer, "second"},
		{"a full image", full, "second"}, {"back to the first", first, "first"},
	} {
		d.deployReal(t, r, next.image.Output)
		if got := ask(next.revision); got != want && next.image != newer {
			t.Errorf("%s: it answers\n%s, and before\n%s", next.what, got, want)
		}
	}
	if used := usedVersion(t, newer.Output, r.library); used != r.second {
		t.Errorf("the last build uses %s %s, want %s", r.library, used, r.second)
	}
	slim, whole := d.opens(t, r, second.Output, full.Output)
	t.Logf("it answers %s", want)
	return fmt.Sprintf("| %s %s | %s | %s | %.1f | %.0f | %.0f | %.2f |\n", r.library, r.first, megabytes(first.Size), megabytes(full.Size),
		float64(full.Size)/float64(first.Size), milliseconds(slim), milliseconds(whole), float64(slim)/float64(whole)) +
		fmt.Sprintf("|   brings | %s |\n", strings.Join(slices.DeleteFunc(first.Along, func(p string) bool { return p == "github.com/sohost/sohost/abi" }), " "))
}

// source makes the plugin's module.
func (r *real) source(t testing.TB) *source {
	t.Helper()
	s := &source{t: t, name: r.name, dir: filepath.Join(t.TempDir(), r.name)}
	for _, file := range []string{"plugin.go", r.name + ".go"} {
		b, err := os.ReadFile(filepath.Join("testdata/real", file))
		if err != nil {
			t.Fatal(err)
		}
		s.write(file, string(b))
	}
	s.write("go.mod", "module example.com/"+r.name+"\n\ngo 1.26.0\n\nrequire github.com/sohost/sohost v0.0.0\n\nreplace github.com/sohost/sohost => "+repository+"\n")
	r.require(s, r.first)
	return s
}

func (r *real) require(s *source, version string) {
	args := []string{"get", r.library + "@" + version}
	for _, m := range r.also {
		args = append(args, m+"@"+version)
	}
	if r.with != "" {
		args = append(args, r.with)
	}
	s.run(s.dir, "go", args...)
	s.run(s.dir, "go", "mod", "tidy")
}

// build builds the module as it is now.
func (r *real) build(t *testing.T, src *source, flags ...string) *build.Result {
	t.Helper()
	out := filepath.Join(t.TempDir(), r.name+".so")
	cmd := exec.Command(tool, append(append([]string{"build", "--json", "--host", server, "-o", out}, flags...), ".")...)
	cmd.Dir, cmd.Env = src.dir, append(os.Environ(), r.env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	b, err := cmd.Output()
	if err != nil {
		t.Fatalf("sohost build: %v\n%s", err, &stderr)
	}
	var results []*build.Result
	if err := json.Unmarshal(b, &results); err != nil {
		t.Fatal(err)
	}
	return results[0]
}

func (d *daemon) deployReal(t *testing.T, r *real, image string) sohost.Reload {
	t.Helper()
	answer, err := d.client.Deploy(patient(t), control.DeployRequest{Images: map[string]string{r.name: image}})
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// opens deploys images that the server has never seen, slim and full in turn, and returns how long it took to store, check and open
// one: medians.
func (d *daemon) opens(t *testing.T, r *real, slim, full string) (time.Duration, time.Duration) {
	t.Helper()
	var took [2][]time.Duration
	cloners := []*cloner{newCloner(t, slim, "example.com/"+r.name), newCloner(t, full, "example.com/"+r.name)}
	for range realOpens {
		for i, c := range cloners {
			phases := byPhase(d.deployReal(t, r, c.clone(t)).Moves[0].Phases)
			took[i] = append(took[i], phases["store"]+phases["check"]+phases["open"])
		}
	}
	return median(took[0]), median(took[1])
}

// usedVersion returns the version of a module in an image.
func usedVersion(t *testing.T, image, module string) string {
	t.Helper()
	info, err := buildinfo.ReadFile(image)
	if err != nil {
		t.Fatal(errors.Join(errors.New(image), err))
	}
	for _, dep := range info.Deps {
		if dep.Path == module {
			return dep.Version
		}
	}
	return "nothing"
}

func megabytes(n int64) string { return fmt.Sprintf("%.2f", float64(n)/1e6) }
