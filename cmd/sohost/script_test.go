package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/sohost/sohost/internal/files"
	"github.com/sohost/sohost/internal/server/certs"
	"github.com/sohost/sohost/internal/server/certstest"
	"github.com/sohost/sohost/internal/server/control"
)

// TestScripts runs the scripts in testdata/script, one for each thing that a user does; start.txtar is the one to read first.
// These commands are added to those of package testscript:
//
//	certificate FILE KEYFILE            write a certificate and its key
//	code N PROGRAM [ARGUMENT...]        run a program, which must exit with N
//	background NAME PROGRAM [ARGUMENT...]  start a program; it is killed when the script ends
//	await NAME REGEXP                   wait until it prints a matching line, after the one awaited last; the first group of
//	                                    the expression becomes $NAME
//	terminate NAME                      send it SIGTERM; it must exit with 0; stdout is all that it has printed
//	hangup NAME                         send it SIGHUP
//	get URL                             stdout is the answer's body and, on its own line, its Sohost-Generation;
//	                                    ! get URL wants no answer
//	json PATH REGEXP                    stdout is JSON, and the value at PATH (keys and indexes, with dots) matches
//	capture VARIABLE REGEXP             set a variable to what the group in stdout matches
//	replace FROM TO FILE                edit a file, which must contain FROM
//
// $FIRST and $SECOND are images of two generations of one plugin, greeter.
func TestScripts(t *testing.T) {
	built(t)
	goEnv, err := exec.Command("go", "env", "-json", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOSUMDB").Output()
	if err != nil {
		t.Fatal(err)
	}
	inherited := map[string]string{}
	if err := json.Unmarshal(goEnv, &inherited); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", filepath.Dir(sohostFile)+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
			env.Setenv("REPOSITORY", repository)
			env.Setenv("FIRST", firstSo)
			env.Setenv("SECOND", secondSo)
			env.Setenv("PROGRAM", sohostFile)
			for name, value := range inherited {
				env.Setenv(name, value)
			}
			b := &backgrounds{byName: map[string]*background{}}
			env.Values[backgroundsKey{}] = b
			env.Defer(b.kill)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":       cmdCode,
			"background": cmdBackground,
			"await":      cmdAwait,
			"terminate":  cmdTerminate,
			"hangup":     cmdHangup,
			"certificate": func(ts *testscript.TestScript, _ bool, args []string) {
				certstest.Write(t, certs.Files{Certificate: ts.MkAbs(args[0]), Key: ts.MkAbs(args[1])}, certstest.New(t, time.Hour))
			},
			"get":     cmdGet,
			"post":    cmdPost,
			"json":    cmdJSON,
			"steady":  cmdSteady,
			"capture": cmdCapture,
			"replace": cmdReplace,
		},
		RequireUniqueNames: true,
	})
}

func arguments(ts *testscript.TestScript, neg bool, args []string, usage string, atLeast int) {
	if neg || len(args) < atLeast {
		ts.Fatalf("usage: %s", usage)
	}
}

func cmdCode(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, "code N PROGRAM [ARGUMENT...]", 2)
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func cmdGet(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, false, args, "get URL", 1)
	client := http.Client{Timeout: patience}
	resp, err := client.Get(args[0])
	if neg && err != nil {
		return
	}
	if neg {
		ts.Fatalf("%s answers %s", args[0], resp.Status)
	}
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if resp.StatusCode != http.StatusOK {
		fmt.Fprintln(ts.Stdout(), resp.Status)
	}
	ts.Stdout().Write(body)
	fmt.Fprintf(ts.Stdout(), "Sohost-Generation: %s\n", resp.Header.Get("Sohost-Generation"))
}

func cmdPost(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, "post URL FILE", 2)
	client := http.Client{Timeout: patience}
	resp, err := client.Post(args[0], "text/plain", strings.NewReader(ts.ReadFile(args[1])))
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	fmt.Fprintln(ts.Stdout(), resp.Status)
	ts.Stdout().Write(body)
}

func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, "json PATH REGEXP", 2)
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &v))
	for _, key := range strings.FieldsFunc(args[0], func(r rune) bool { return r == '.' }) {
		switch in := v.(type) {
		case map[string]any:
			v = in[key]
		case []any:
			i, err := strconv.Atoi(key)
			ts.Check(err)
			if i >= len(in) {
				ts.Fatalf("%s: the list has %d elements", args[0], len(in))
			}
			v = in[i]
		default:
			ts.Fatalf("%s: there is no %s in %v", args[0], key, v)
		}
	}
	text, err := json.Marshal(v)
	ts.Check(err)
	if s, ok := v.(string); ok {
		text = []byte(s)
	}
	if !regexp.MustCompile(args[1]).Match(text) {
		ts.Fatalf("%s is %s, want %s", args[0], text, args[1])
	}
}

// cmdSteady writes the status that was printed to a file, without what changes by itself and what failed.
func cmdSteady(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, "steady FILE", 1)
	var status control.Status
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &status))
	status.Memory, status.SupervisorMemory, status.SupervisorFiles, status.Draining, status.Config.Failed = 0, 0, files.Usage{}, nil, nil
	status.Worker.Memory, status.Worker.Files = 0, files.Usage{}
	text, err := json.MarshalIndent(status, "", "  ")
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), text, 0o600))
}

func cmdCapture(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, "capture VARIABLE REGEXP", 2)
	m := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(m) < 2 {
		ts.Fatalf("stdout doesn't match %s", args[1])
	}
	ts.Setenv(args[0], m[1])
}

func cmdReplace(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, "replace FROM TO FILE", 3)
	text := ts.ReadFile(args[2])
	if !strings.Contains(text, args[0]) {
		ts.Fatalf("%s has no %q", args[2], args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(strings.ReplaceAll(text, args[0], args[1])), 0o644))
}
