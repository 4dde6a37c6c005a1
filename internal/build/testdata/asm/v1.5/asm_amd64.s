#include "textflag.h"
#include "level.h"

TEXT ·Answer(SB), NOSPLIT, $8-8
	CALL	·one(SB)
	MOVQ	0(SP), AX
	MOVQ	AX, ret+0(FP)
	RET

TEXT ·Level(SB), NOSPLIT, $8-8
	MOVQ	asmplugin∕cpu·Level(SB), AX
	MOVQ	SECOND, CX
	IMULQ	CX, AX
	CALL	asmplugin∕cpu·Add(SB)
	MOVQ	AX, ret+0(FP)
	RET
