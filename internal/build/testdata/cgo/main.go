package main

/*
#cgo LDFLAGS: -L${SRCDIR}/c/lib -lanswer -lm
#include <math.h>
#include "c/answer.h"

int answer(void);
int fromlib(void);
int doubled(void);
*/
import "C"

import (
	"context"
	"fmt"

	"github.com/sohost/sohost/abi"
)

var Plugin = abi.Descriptor{
	ABI: abi.Version,
	New: func(context.Context, abi.Host) (abi.Instance, error) { return instance{}, nil },
}

type instance struct{}

func (instance) String() string {
	return fmt.Sprintf("c=%d header=%d lib=%d back=%d %v", C.answer(), C.HEADER, C.fromlib(), C.doubled(), C.sqrt(4))
}

//export goAnswer
func goAnswer() C.int { return 1 }

func main() {}
