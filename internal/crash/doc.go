// Package crash finds out why a process died, and which plugin image is to blame, from what the Go runtime wrote at its end. It
// only reads text: it starts nothing and watches nothing.
//
// It can't know what the runtime doesn't write. There is nothing to read after os.Exit, SIGKILL (which the kernel sends when
// memory runs out), SIGTERM, or a fault in a thread started by C code; then a Report has only the exit status. And the line
// "fatal error: …" goes only to standard error, never to the file of debug.SetCrashOutput, so such reasons are inferred from the
// functions on the stack.
//
// # The goroutine that crashed
//
// The runtime prints it first, whatever the other goroutines are doing. The exceptions:
//
//   - If the runtime was on its system stack ("runtime stack:" or "goroutine 0"), as in a stack overflow, that stack comes first
//     and the goroutine that it worked for comes next. If the next one isn't running on a thread, the runtime worked for none.
//   - "goroutine running on other thread; stack unavailable" is never the one.
//   - If another process sent the signal, or the signal is SIGQUIT, somebody asked for the dump and nothing has crashed. The
//     goroutines running at such a moment are arbitrary, so no image is blamed, even if only one is running.
//
// # The image to blame
//
// It is the image whose code that goroutine was running. Going from the innermost frame outward, and finally to the function
// that created the goroutine, it is the image of the first package that exactly one image has. So the packages of the standard
// library and of the host never decide. If the fault is in the standard library, the image that called it is to blame; if it is in
// the host's own code, that image may be, which is for others to judge: see Trace.Host. A package that several images share, such
// as the same version of a dependency, doesn't decide either. If nothing else is on the stack, no image is blamed: taking all of
// these images out of service would cost more than a second crash.
//
// Only running code is blamed. Memory that one image has corrupted or exhausted may end the process in another one.
package crash
