#include "textflag.h"

TEXT ·Add(SB), NOSPLIT, $0
	ADD	$100, R0
	RET
