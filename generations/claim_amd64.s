//go:build !race && go1.26 && !go1.28

#include "go_asm.h"
#include "textflag.h"

// func claim(current unsafe.Pointer) (h hold, ok bool)
TEXT ·claim(SB), NOSPLIT|NOFRAME, $0-25
	MOVQ    ·processor(SB), CX
	TESTQ   CX, CX
	JZ      none
	MOVQ    current+0(FP), AX
	MOVQ    (AX), AX                                // the generation, which begins with counted
	TESTQ   AX, AX
	JZ      none
	MOVQ    (TLS), BX                               // g
	ADDQ    ·thread(SB), BX
	MOVQ    (BX), BX                                // its m
	MOVQ    (BX)(CX*1), BX                          // its p
	MOVLQSX (BX), CX                                // its ID
	CMPQ    CX, (counted_shards+8)(AX)              // their number
	JGE     none
	SHLQ    $7, CX                                  // the size of one
	ADDQ    counted_shards(AX), CX
	LEAQ    shard_words(CX), DX
	CMPQ    (DX), $0
	JNE     search

free:
	MOVQ    $1, (DX)
	CMPQ    shard_leases(CX), $0                    // barred makes it negative
	SETGE   ok+24(FP)
	MOVQ    DX, h_word+8(FP)
	ADDQ    $counted_more, AX
	MOVQ    AX, h_more+16(FP)
	RET

search:
	LEAQ    shard__size(CX), SI

next:
	ADDQ    $8, DX
	CMPQ    DX, SI
	JE      none
	CMPQ    (DX), $0
	JNE     next
	JMP     free

none:
	XORL    AX, AX
	MOVQ    AX, h_word+8(FP)
	MOVQ    AX, h_more+16(FP)
	MOVB    AX, ok+24(FP)
	RET
