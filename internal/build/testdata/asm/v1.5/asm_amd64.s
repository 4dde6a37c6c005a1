#include "textflag.h"

TEXT ·Answer(SB), NOSPLIT, $8-8
	CALL	·one(SB)
	MOVQ	0(SP), AX
	MOVQ	AX, ret+0(FP)
	RET
