package integration

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var fetchExisting = flag.Bool("existing", false, "TestExisting also fetches public plugins")

// existing is a public plugin for another program, or a few lines of one, and a change of its source.
type existing struct {
	name, api    string
	module       string // with its version; "" if the source is here
	pkg, source  string // the package's directory in the module; the only file of one that is here
	args         string // TOML, with BACKEND for the backend's URL
	alone        bool   // answers by itself, without a backend
	file         string
	from, to     string // the change
	before, then string // what answers begin with
}

// function is what the plugin lambda has AWS call for each request.
const function = "arn:aws:lambda:us-east-1:000000000000:function:f"

const lura = "github.com/luraproject/lura/v2@v2.11.0"

var existingPlugins = []existing{
	{name: "handler", api: "krakend", module: lura, pkg: "transport/http/server/plugin/tests", file: "main.go",
		from: "Hello, ", to: "Welcome, ", before: `200 Hello, "/handler/x"`, then: `200 Welcome, "/handler/x"`},
	{name: "client", api: "krakend", module: lura, pkg: "transport/http/client/plugin/tests", file: "main.go", alone: true,
		from: "Hello, ", to: "Welcome, ", before: `200 Hello, "/client/x"`, then: `200 Welcome, "/client/x"`},
	{name: "modifier", api: "krakend", module: lura, pkg: "proxy/plugin/tests/logger", file: "main.go",
		from: "/fooo", to: "/baar", before: "200 backend /modifier/x/fooo", then: "200 backend /modifier/x/baar"},
	{name: "refuser", api: "krakend", module: lura, pkg: "proxy/plugin/tests/error", file: "main.go",
		args: `name = ["lura-error-example-response"]`, from: "StatusTeapot", to: "StatusConflict", before: "418 ", then: "409 "},
	// One header: the plugin parses all of them as one template, and of two that requests parse at once each may get the other's.
	{name: "demo", api: "traefik", module: "github.com/traefik/plugindemo@v0.2.2", pkg: ".", file: "demo.go", args: `Headers = { X-Demo = "test" }`,
		from: "writer.String())", to: `"new " + writer.String())`, before: "200 backend /demo/x [] [test]", then: "200 backend /demo/x [] [new test]"},
	{name: "rewriter", api: "traefik", module: "github.com/packruler/rewrite-body@v1.2.0", pkg: ".", file: "handler/handler.go",
		args: "rewrites = [{ regex = \"^backend\", replacement = \"rewritten\" }]\nmonitoring = { types = [\"text/plain\"] }",
		from: "ReplaceAll(bodyBytes, rwt.replacement)", to: `ReplaceAll(bodyBytes, append([]byte("newly "), rwt.replacement...))`,
		before: "200 rewritten /rewriter/x", then: "200 newly rewritten /rewriter/x"},
	{name: "fail2ban", api: "traefik", module: "github.com/tomMoulard/fail2ban@v0.8.3", pkg: ".", file: "pkg/chain/chain.go",
		args: `rules = { enabled = true, bantime = "3h", findtime = "10m", maxretry = 1000000000 }`,
		from: "r *http.Request) {", to: `r *http.Request) { r.Header.Set("Foo", "new");`,
		before: "200 backend /fail2ban/x [] []", then: "200 backend /fail2ban/x [new] []"},
	{name: "geoblock", api: "traefik", module: "github.com/PascalMinder/geoblock@v0.3.8", pkg: ".", file: "geoblock.go",
		args: "allowLocalRequests = true\napi = \"http://127.0.0.1:1/{ip}\"\napiTimeoutMs = 100\ncacheSize = 10\ncountries = [\"CH\"]",
		from: "req *http.Request) {", to: `req *http.Request) { req.Header.Set("Foo", "new");`,
		before: "200 backend /geoblock/x [] []", then: "200 backend /geoblock/x [new] []"},
	{name: "lambda", api: "traefik", module: "github.com/alekitto/traefik-aws-lambda-plugin@v0.0.1", pkg: ".", file: "main.go", alone: true,
		args: "accessKey = \"key\"\nsecretKey = \"secret\"\nregion = \"us-east-1\"\nfunctionArn = \"" + function + "\"\nendpoint = \"BACKEND\"",
		from: "body = resp.Body", to: `body = "new " + resp.Body`, before: "200 function GET /lambda/x", then: "200 new function GET /lambda/x"},
	{name: "header", api: "tyk", pkg: ".", file: "main.go", from: "Bar", to: "Baz",
		before: "200 backend /header/x [Bar] []", then: "200 backend /header/x [Baz] []", source: `package main

import "net/http"

// AddFooBarHeader is a function as Tyk's documentation shows it.
func AddFooBarHeader(_ http.ResponseWriter, r *http.Request) {
	r.Header.Add("Foo", "Bar")
}

func main() {}
`},
}

// TestExisting serves plugins for other programs from their own sources before a backend, and reloads each of them under load with a
// change and without it again. No request fails. Those that have to be fetched are left to make test-existing.
func TestExisting(t *testing.T) {
	t.Parallel()
	backend := httptest.NewServer(http.HandlerFunc(answerExisting))
	defer backend.Close()
	p := newPlace(t)
	var config strings.Builder
	var plugins []existing
	for _, e := range existingPlugins {
		if e.module != "" && !*fetchExisting {
			continue
		}
		e.fetch(t)
		e.build(t, p)
		fmt.Fprintf(&config, "[plugin.%s]\nimage = %q\nmode = \"dev\"\napi = %q\n[plugin.%s.args]\n%s\n", e.name, e.image(p), e.api, e.name,
			strings.ReplaceAll(e.args, "BACKEND", backend.URL))
		if !e.alone {
			fmt.Fprintf(&config, "[route.\"/%s\"]\nchain = [%q]\nbackend = %q\n", e.name, e.name, backend.URL)
		}
		plugins = append(plugins, e)
	}
	// Plugins for two programs in one chain, if both are at hand: each reload replaces one of them.
	chain := `["header"]`
	if *fetchExisting {
		chain = `["demo", "header"]`
	}
	both := existing{name: "both", before: "200 backend /both/x [Bar] [", then: "200 backend /both/x [Baz] ["}
	fmt.Fprintf(&config, "[route.\"/both\"]\nchain = %s\nbackend = %q\n", chain, backend.URL)
	file := filepath.Join(p.dir, "sohost.toml")
	if err := os.WriteFile(file, []byte(config.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	d := p.start(t, "--config", file)
	ctx, stop := context.WithCancel(context.Background())
	var asking sync.WaitGroup
	for _, e := range plugins {
		for range 2 {
			asking.Go(func() { e.ask(ctx, t, d.url) })
		}
	}
	for range 2 {
		asking.Go(func() { both.ask(ctx, t, d.url) })
	}
	for range repeated(2) {
		for _, e := range plugins {
			e.change(t, d, p, e.from, e.to, e.then)
		}
		for _, e := range plugins {
			e.change(t, d, p, e.to, e.from, e.before)
		}
	}
	stop()
	asking.Wait()
}

// answerExisting is the backend. It tells what has come of a request, also to AWS's client, which calls function with it.
func answerExisting(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/functions/"+function+"/invocations") {
		fmt.Fprintf(w, "backend %s %s %s", r.URL.Path, r.Header["Foo"], r.Header["X-Demo"])
		return
	}
	var request struct{ HTTPMethod, Path string }
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprintf(w, `{"statusCode":200,"body":"function %s %s"}`, request.HTTPMethod, request.Path)
}

// folders are where modules were copied to.
var folders = map[string]string{}

// fetch copies the plugin's module to a folder, in which pkg is from then on.
func (e *existing) fetch(t *testing.T) {
	t.Helper()
	if e.module == "" {
		s := &source{t: t, dir: t.TempDir()}
		s.write("go.mod", "module example.com/"+e.name+"\n\ngo 1.24\n")
		s.write(e.file, e.source)
		e.pkg = s.dir
		return
	}
	if folders[e.module] == "" {
		out, err := exec.CommandContext(patient(t), "go", "mod", "download", "-json", e.module).Output()
		var answer struct{ Dir, Error string }
		if json.Unmarshal(out, &answer); answer.Dir == "" {
			t.Fatalf("fetch %s: %v %s", e.module, err, answer.Error)
		}
		folders[e.module] = t.TempDir()
		err = os.CopyFS(folders[e.module], os.DirFS(answer.Dir))
		if err == nil { // modules come without what is vendored, but with the list of that, which has the go command look for it
			err = os.RemoveAll(filepath.Join(folders[e.module], "vendor"))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	e.pkg = filepath.Join(folders[e.module], e.pkg)
}

func (e *existing) image(p place) string { return filepath.Join(p.plugins, e.name+".so") }

// build builds the plugin as it is now to where the server looks for it.
func (e *existing) build(t *testing.T, p place) {
	t.Helper()
	if err := run(e.pkg, nil, tool, "build", "--host", server, "--api", e.api, "-o", e.image(p), "."); err != nil {
		t.Fatal(err)
	}
}

// change edits the source, builds it, and waits until the new code answers.
func (e *existing) change(t *testing.T, d *daemon, p place, from, to, want string) {
	t.Helper()
	file := filepath.Join(e.pkg, e.file)
	b, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, []byte(strings.ReplaceAll(string(b), from, to)), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	mark := d.mark()
	e.build(t, p)
	d.awaitReload(mark, e.name)
	if got, err := e.answer(impatient, d.url); err != nil || !strings.HasPrefix(got, want) {
		t.Errorf("%s after %s became %s: %q, %v, want %q", e.name, from, to, got, err, want)
	}
}

// ask sends requests, one after another, until ctx ends. Each must get the answer of the code before or after a change.
func (e *existing) ask(ctx context.Context, t *testing.T, url string) {
	client := &http.Client{Transport: new(wire)}
	defer client.CloseIdleConnections()
	asked := 0
	for ; ctx.Err() == nil; asked++ {
		got, err := e.answer(client, url)
		if err != nil || !strings.HasPrefix(got, e.before) && !strings.HasPrefix(got, e.then) {
			t.Errorf("%s: request failed: %q, %v", e.name, got, err)
			return
		}
	}
	t.Logf("%s: %d requests answered", e.name, asked)
}

// answer returns the status and the body of the answer to a request.
func (e *existing) answer(client *http.Client, url string) (string, error) {
	r, err := http.NewRequest("GET", url+"/"+e.name+"/x", nil)
	if err != nil {
		return "", err
	}
	r.Header.Set("Accept", "text/plain") // the rewriter leaves other answers alone
	resp, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return fmt.Sprintf("%d %s", resp.StatusCode, b), err
}
