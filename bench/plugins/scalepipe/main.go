// Scalepipe doubles the field busy of each line of line protocol that it reads, and prints the line: a program for Telegraf's execd
// processor. It looks for the field in the text, which is less work than to decode the line.
package main

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
)

func main() {
	in, out := bufio.NewReaderSize(os.Stdin, 1<<20), bufio.NewWriterSize(os.Stdout, 1<<16)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		before, rest, _ := bytes.Cut(line, []byte("busy="))
		end := bytes.IndexAny(rest, ", \n")
		if busy, err := strconv.ParseFloat(string(rest[:max(end, 0)]), 64); err == nil {
			out.Write(before)
			out.WriteString("busy=")
			out.Write(strconv.AppendFloat(nil, 2*busy, 'g', -1, 64))
			out.Write(rest[end:])
		}
		if in.Buffered() == 0 {
			out.Flush()
		}
	}
}
