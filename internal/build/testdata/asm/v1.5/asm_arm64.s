#include "textflag.h"

TEXT ·Answer(SB), NOSPLIT, $16-8
	BL	·one(SB)
	MOVD	8(RSP), R0
	MOVD	R0, ret+0(FP)
	RET
