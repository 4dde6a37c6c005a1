#include "textflag.h"
#include "level.h"

TEXT ·Answer(SB), NOSPLIT, $16-8
	BL	·one(SB)
	MOVD	8(RSP), R0
	MOVD	R0, ret+0(FP)
	RET

TEXT ·Level(SB), NOSPLIT, $16-8
	MOVD	asmplugin∕cpu·Level(SB), R0
	MOVD	SECOND, R1
	MUL	R1, R0
	BL	asmplugin∕cpu·Add(SB)
	MOVD	R0, ret+0(FP)
	RET
