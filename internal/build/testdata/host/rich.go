//go:build rich

package main

import _ "github.com/sohost/sohost/native/std" // slim images get what they need of the standard library
