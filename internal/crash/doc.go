// Package crash says why a process has died, and which plugin image is to blame, from what the Go runtime wrote at its end. It
// only reads text: it starts nothing and watches nothing.
//
// What it can't know: what the runtime doesn't write. There is nothing to read after os.Exit, SIGKILL (the kernel's answer to a
// lack of memory), SIGTERM, or a fault in a thread that C code has started; then a Report has no more than the exit status. And
// the line "fatal error: …" goes to standard error only, never to the file of debug.SetCrashOutput, so such reasons are told
// from the functions on the stack.
//
// # The goroutine that crashed
//
// The runtime prints it first, before all others, whatever they are doing. The exceptions:
//
//   - Where the runtime was on its system stack ("runtime stack:" or "goroutine 0"), as in a stack overflow, that stack comes
//     first and the goroutine it worked for next. If what comes next isn't running on a thread, the runtime worked for none.
//   - "goroutine running on other thread; stack unavailable" is never the one.
//   - When another process sent the signal, or the signal is SIGQUIT, somebody asked for the dump and nothing has crashed. What
//     runs at such a moment is what happens to have work, so nobody is blamed even if just one image is running.
//
// # The image to blame
//
// It is the image whose code that goroutine was running: from the innermost frame outward, and at last in the function that
// created the goroutine, the first package that just one image brings. So std and the host's packages never decide, not even
// when the fault is in them: the image that called them is blamed. A package that several images bring, such as a dependency in
// one version, doesn't decide either. If nothing else is on the stack, nobody is blamed: to take all of these images out of
// service would cost more than a second crash.
//
// The blame is for what was running. Memory that one image has corrupted, or used up, may end the process in another one.
package crash
