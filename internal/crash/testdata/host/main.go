// Command host opens images and has one of them end the process. It is what the tests call a worker.
//
//	host <crash output> <command> <argument> <image>...
//
// The first image is the one that gets the command.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"syscall"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/native"
)

var _ abi.Instance // images are built for hosts that have package abi

func main() {
	fmt.Println(run(os.Args[1], os.Args[2], os.Args[3], os.Args[4:]))
	os.Exit(1)
}

// run only returns if the command couldn't be given.
func run(output, command, arg string, paths []string) error {
	var images []*native.Image
	for _, path := range paths {
		im, err := native.Open(context.Background(), path)
		if err != nil {
			return err
		}
		images = append(images, im)
	}
	crash, err := native.Lookup[func(command, arg string)](images[0], "Crash")
	if err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return err
	}
	f, err := os.Create(output)
	if err != nil {
		return err
	}
	if err := debug.SetCrashOutput(f, debug.CrashOptions{}); err != nil {
		return err
	}
	(*crash)(command, arg)
	fmt.Println("ready")
	select {}
}
