package instance

import (
	"cmp"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// setting is a row of the table of settings.
type setting struct {
	name     string
	read     func(p proc) any   // a value that can be compared by ==; nil if it can't be read
	describe func(v any) string // default: fmt.Sprint
	restore  func(v any) error  // sets it back; nil where the process can't
	bars     bool               // an image whose init functions change it is refused: afterwards the server isn't who it was
}

func (row setting) text(v any) string {
	switch {
	case v == nil:
		return "none"
	case row.describe != nil:
		return row.describe(v)
	}
	return fmt.Sprint(v)
}

// pointed is the setting of a variable that holds a pointer or an interface.
func pointed[T any](name string, get func() T, set func(T)) setting {
	return setting{
		name: name,
		read: func(proc) any { return get() },
		describe: func(v any) string {
			if reflect.ValueOf(v).Kind() == reflect.Pointer {
				return fmt.Sprintf("%T at %p", v, v)
			}
			return fmt.Sprintf("a %T", v)
		},
		restore: func(v any) error { old, _ := v.(T); set(old); return nil },
	}
}

// variable is the setting of a package's variable.
func variable[T any](name string, v *T) setting {
	return pointed(name, func() T { return *v }, func(old T) { *v = old })
}

// metric is a setting that the runtime publishes as a metric. Reading it doesn't change it, unlike debug.SetGCPercent.
func metric(name, of string, restore func(v int64)) setting {
	return setting{
		name: name,
		read: func(proc) any {
			sample := []metrics.Sample{{Name: of}}
			if metrics.Read(sample); sample[0].Value.Kind() != metrics.KindUint64 {
				return nil
			}
			return int64(sample[0].Value.Uint64())
		},
		restore: func(v any) error { restore(v.(int64)); return nil },
	}
}

// settings is the table of settings.
var settings = slices.Concat([]setting{
	{
		name: "GOGC",
		read: func(proc) any {
			sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
			metrics.Read(sample)
			return int(int64(sample[0].Value.Uint64()))
		},
		describe: func(v any) string {
			if percent := v.(int); percent >= 0 && int64(percent) < 1<<31 {
				return strconv.Itoa(percent)
			}
			return "off"
		},
		restore: func(v any) error {
			percent := v.(int)
			if percent < 0 || int64(percent) >= 1<<31 {
				percent = -1
			}
			debug.SetGCPercent(percent)
			return nil
		},
	},
	metric("memory limit", "/gc/gomemlimit:bytes", func(v int64) { debug.SetMemoryLimit(v) }),
	{
		name: "GOMAXPROCS",
		read: func(proc) any { return runtime.GOMAXPROCS(0) },
		restore: func(v any) error {
			if runtime.SetDefaultGOMAXPROCS(); runtime.GOMAXPROCS(0) != v.(int) { // the default follows the cgroup's limit
				runtime.GOMAXPROCS(v.(int))
			}
			return nil
		},
	},
	pointed("slog.Default", slog.Default, slog.SetDefault),
	pointed("log.Default's output", log.Writer, log.SetOutput),
	{
		name:    "log.Default's flags",
		read:    func(proc) any { return log.Flags() },
		restore: func(v any) error { log.SetFlags(v.(int)); return nil },
	},
	{
		name:    "log.Default's prefix",
		read:    func(proc) any { return log.Prefix() },
		restore: func(v any) error { log.SetPrefix(v.(string)); return nil },
	},
	variable("http.DefaultTransport", &http.DefaultTransport),
	variable("http.DefaultClient", &http.DefaultClient),
	variable("http.DefaultClient.Transport", &http.DefaultClient.Transport),
	variable("http.DefaultServeMux", &http.DefaultServeMux),
	variable("net.DefaultResolver", &net.DefaultResolver),
	variable("flag.CommandLine", &flag.CommandLine),
	variable("time.Local", &time.Local),
	variable("os.Stdin", &os.Stdin),
	variable("os.Stdout", &os.Stdout),
	variable("os.Stderr", &os.Stderr),
	{
		name: "umask",
		read: line("Umask"),
		restore: func(v any) error {
			text, _ := v.(string)
			mask, err := strconv.ParseInt(text, 8, 32) // an error if it could not be read
			if err == nil {
				syscall.Umask(int(mask))
			}
			return err
		},
	},
	{name: "working directory", read: func(proc) any { return linkText("/proc/self/cwd") }, restore: func(v any) error { return os.Chdir(v.(string)) }},
	{name: "root directory", read: func(proc) any { return linkText("/proc/self/root") }, bars: true},
	{name: "user", read: line("Uid"), bars: true},
	{name: "group", read: line("Gid"), bars: true},
	{name: "groups", read: line("Groups"), bars: true},
	{name: "capabilities", read: line("CapEff"), bars: true},
	{name: "no_new_privs", read: line("NoNewPrivs")},
	{name: "ignored signals", read: line("SigIgn"), describe: describeSignals},
	{name: "caught signals", read: line("SigCgt"), describe: describeSignals},
	{
		name: "priority",
		read: func(proc) any {
			raw, err := unix.Getpriority(unix.PRIO_PROCESS, os.Getpid()) // the kernel's form: 20 - nice
			if err != nil {
				return nil
			}
			return 20 - raw
		},
		restore: func(v any) error { return unix.Setpriority(unix.PRIO_PROCESS, os.Getpid(), v.(int)) },
	},
	{
		name: "dumpable",
		read: func(proc) any { return prctlGet(unix.PR_GET_DUMPABLE) },
		restore: func(v any) error {
			return unix.Prctl(unix.PR_SET_DUMPABLE, uintptr(v.(int)), 0, 0, 0)
		},
	},
	{name: "oom_score_adj", read: func(proc) any { return fileText("/proc/self/oom_score_adj") },
		restore: func(v any) error {
			text, _ := v.(string)
			return os.WriteFile("/proc/self/oom_score_adj", []byte(text+"\n"), 0) // an error without a number
		}},
}, limitSettings())

// limitSettings returns one row for each resource limit.
func limitSettings() (rows []setting) {
	for resource, name := range [...]string{"cpu", "fsize", "data", "stack", "core", "rss", "nproc", "nofile", "memlock", "as", "locks",
		"sigpending", "msgqueue", "nice", "rtprio", "rttime"} {
		rows = append(rows, setting{
			name: "limit " + name,
			read: func(p proc) any { return p.limit(resource) },
			restore: func(v any) error {
				soft, hard, _ := strings.Cut(v.(string), "/")
				limit := unix.Rlimit{Cur: limitValue(soft), Max: limitValue(hard)}
				return unix.Prlimit(0, resource, &limit, nil)
			},
		})
	}
	return rows
}

// describeSignals names the signals of a mask as /proc shows it.
func describeSignals(v any) string {
	mask, err := strconv.ParseUint(v.(string), 16, 64)
	if err != nil {
		return v.(string)
	}
	var names []string
	for s := syscall.Signal(1); s <= 64; s++ {
		if mask&(1<<(s-1)) != 0 {
			names = append(names, cmp.Or(unix.SignalName(s), strconv.Itoa(int(s))))
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, " ")
}

func prctlGet(option int) any {
	v, err := unix.PrctlRetInt(option, 0, 0, 0, 0)
	if err != nil {
		return nil
	}
	return v
}
