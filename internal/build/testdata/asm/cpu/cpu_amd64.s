#include "textflag.h"

TEXT ·Add(SB), NOSPLIT, $0
	ADDQ	$100, AX
	RET
