// Command bare does with each image that it reads the path of what a program without sohost does: read it, hash it, copy it into the
// folder that its argument names, call plugin.Open. It prints how many nanoseconds that took.
package main

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"plugin"
	"time"
)

func main() {
	for paths := bufio.NewScanner(os.Stdin); paths.Scan(); {
		begin := time.Now()
		if err := open(paths.Text(), os.Args[1]); err != nil {
			log.Fatal(err)
		}
		fmt.Println(time.Since(begin).Nanoseconds())
	}
}

func open(path, dir string) error {
	image, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, fmt.Sprintf("%x.so", sha256.Sum256(image)))
	if err := os.WriteFile(file, image, 0o600); err != nil {
		return err
	}
	p, err := plugin.Open(file)
	if err == nil {
		_, err = p.Lookup("Plugin")
	}
	return err
}
