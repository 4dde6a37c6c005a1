package build

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// The go command calls tools far more often than their arguments are to change: most calls of a small build ask for versions, and all
// of the standard library's packages are compiled as they are. To start a program as large as sohost takes as long as to compile a package.
// So what the go command calls is a script, which asks this process where there is something to do.
//
//	script                                     this process
//	takes the next number: call.N, made by nobody else
//	writes folder, package and arguments into call.N
//	opens answer.N, a pipe that is ready ────▶ has answer.N open until it has answered, or ends
//	writes N into calls, a pipe ─────────────▶ reads call.N, finds out what to run, and writes that as run.N
//	reads a line ◀──────────────────────────── writes a line into answer.N
//	does what run.N says                       makes ready another answer
//
// No wait of a script outlives this process: its end closes the pipes. To open one for reading and writing doesn't wait for another.

// wrapperScript is the script, with places for the quoted name of its folder and the scheme. It runs the tool that its arguments name.
//
// The version that link reports is hashed by the go command into the action id of every link, so the scheme is added to it. Only packages
// main are linked, so ordinary builds lose nothing. The go command reads only the last field of a development version, which begins
// with buildID=. It also asks the C compiler for its version, by the name in CC.
//
// The tools see the variables of the script that the environment has, too, so their names are unusual.
const wrapperScript = `#!/bin/sh
# Runs a tool of the Go toolchain for sohost build.
sohost_dir=%[1]s
ask() {
	sohost_call=0
	set -C
	until true 2>/dev/null >"$sohost_dir/call.$sohost_call"; do
		[ -e "$sohost_dir/call.$sohost_call" ] || { echo "sohost build can't be asked: nothing can be written into $sohost_dir" >&2; exit 1; }
		sohost_call=$((sohost_call + 1))
	done
	set +C
	printf '%%s\0' "$PWD" "${TOOLEXEC_IMPORTPATH-}" "${GOEXPERIMENT-}" "$@" >"$sohost_dir/call.$sohost_call"
	exec 3<>"$sohost_dir/answer.$sohost_call" 4<"$sohost_dir/answer.$sohost_call" 3>&-
	exec 3<>"$sohost_dir/calls"
	echo "$sohost_call" >&3
	exec 3>&-
	read -r _ <&4 || { echo "sohost build has ended" >&2; exit 1; }
	exec 4<&-
	. "$sohost_dir/run.$sohost_call"
}
case $#$2 in
2-V=full)
	case $1 in
	*/link) sohost_version=$("$@") && printf '%%s+sohost%[2]s\n' "$sohost_version"; exit ;;
	esac
	exec "$@" ;;
esac
case ${1##*/} in
asm | link | extld) ask "$@"; exit ;;
compile)
	case " $* " in
	*" -sohost="*) ;;
	*" -std "*) exec "$@" ;;
	esac
	ask "$@"; exit ;;
esac
exec "$@"
`

// call is what a script asks.
type call struct {
	dir        string   // the current directory
	importPath string   // of the package that the go command is at
	experiment string   // GOEXPERIMENT
	args       []string // a tool and its arguments
}

// calls answers scripts.
type calls struct {
	dir    string
	answer func(call) (script string, err error)
	pipe   *os.File // the numbers of calls come through it

	ready   map[int]*os.File // answers that have not been given, by number
	next    int              // the number of the next answer to make ready
	waiting sync.WaitGroup   // what reads pipe, and answers
}

// readyAnswers is how many answers are ready at least: more calls than the go command runs tools at a time.
func readyAnswers() int { return 64 + 2*runtime.NumCPU() }

// listen answers the scripts of a folder, each call on a goroutine of its own, until close. An answer is a script, which the shell runs in
// place of the call; an error is printed by that, which then fails.
func listen(dir string, answer func(call) (string, error)) (*calls, error) {
	c := &calls{dir: dir, answer: answer, ready: make(map[int]*os.File)}
	var err error
	for c.next < readyAnswers() && err == nil {
		err = c.makeReady()
	}
	if err == nil {
		c.pipe, err = makePipe(filepath.Join(dir, "calls"))
	}
	if err != nil {
		c.closeReady()
		return nil, fmt.Errorf("make pipes for the go command: %w; nothing was built: set TMPDIR to a folder that can have named pipes", err)
	}
	c.waiting.Go(c.serve)
	return c, nil
}

// makePipe makes a named pipe, and opens it for reading and writing.
func makePipe(name string) (*os.File, error) {
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		return nil, &os.PathError{Op: "mkfifo", Path: name, Err: err}
	}
	return os.OpenFile(name, os.O_RDWR, 0)
}

// makeReady makes the next answer ready.
func (c *calls) makeReady() error {
	f, err := makePipe(filepath.Join(c.dir, fmt.Sprintf("answer.%d", c.next)))
	if err != nil {
		return err
	}
	c.ready[c.next] = f
	c.next++
	return nil
}

// serve takes calls until the pipe is closed.
func (c *calls) serve() {
	defer c.closeReady()
	for lines := bufio.NewScanner(c.pipe); lines.Scan(); {
		n, err := strconv.Atoi(lines.Text())
		reply := c.ready[n]
		if err != nil || reply == nil {
			continue // nobody but the script writes there
		}
		delete(c.ready, n)
		_ = c.makeReady() // without one a script gets no answer, and fails
		c.waiting.Go(func() {
			defer reply.Close() // what is in the pipe stays until the script has it
			if c.reply(n) == nil {
				reply.WriteString("\n")
			}
		})
	}
}

// reply writes what the script of call n is to run. After an error the script gets no line, and fails.
func (c *calls) reply(n int) error {
	script := ""
	asked, err := readCall(filepath.Join(c.dir, fmt.Sprintf("call.%d", n)))
	if err == nil {
		script, err = c.answer(asked)
	}
	if err != nil {
		script = "printf '%s\n' " + quoteShell("sohost: "+err.Error()) + " >&2\nexit 1\n"
	}
	return os.WriteFile(filepath.Join(c.dir, fmt.Sprintf("run.%d", n)), []byte(script), 0o600)
}

func readCall(file string) (call, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return call{}, err
	}
	f := strings.Split(string(bytes.TrimSuffix(text, []byte{0})), "\x00")
	if len(f) < 4 {
		return call{}, fmt.Errorf("no tool given")
	}
	return call{dir: f[0], importPath: f[1], experiment: f[2], args: f[3:]}, nil
}

// close ends the answers. Scripts that wait for one fail. It returns when nothing is being answered any more.
func (c *calls) close() {
	c.pipe.Close()
	c.waiting.Wait()
}

func (c *calls) closeReady() {
	for _, f := range c.ready {
		f.Close()
	}
}
