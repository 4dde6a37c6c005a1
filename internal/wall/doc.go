// Package wall runs a child process so that what its code does reaches nothing outside it, and leaves nothing behind.
//
// No single means of the kernel does that everywhere, so the wall has layers, each of which is used where the kernel and
// the user's rights allow it:
//
//   - namespaces: the child is the first process of a process namespace, so it sees no process outside, and when it
//     ends, all that it has started is gone. It has no network, and no System V shared memory but its own.
//   - Landlock: it can write to nothing outside a scratch folder, can't connect or listen, and can't signal anyone.
//   - a filter of system calls: it can start no process, open no socket, write no file, and signal, trace and limit no other
//     process. Each such call goes to the parent first, which therefore knows by name what the child tried (Outcome).
//   - no capabilities, even for root, except that root may still read what it could read before.
//   - limits of memory, CPU time, open files and file size.
//
// The layers overlap: signals, files and the network are each behind two of them. Layers tells which ones are in force.
// Reading files is permitted, since code that begins may read its configuration.
//
// The child's half of the wall is Enter, which the child must call before it runs anything that isn't trusted.
package wall
