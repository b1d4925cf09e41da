# Written by scripts/generate-avx2.py.
vmovapd ymm0, ymmword ptr [rcx - 128]
vmovapd ymm1, ymmword ptr [rsi - 128]
vsubpd ymm2, ymm1, ymmword ptr [rdx - 128]
vmovapd ymm3, ymmword ptr [rsi - 64]
vsubpd ymm4, ymm3, ymmword ptr [rdx - 64]
vmovapd ymm5, ymmword ptr [rsi + 0]
vsubpd ymm6, ymm5, ymmword ptr [rdx + 0]
vmovapd ymm7, ymmword ptr [rsi + 64]
vsubpd ymm8, ymm7, ymmword ptr [rdx + 64]
vmovapd ymm9, ymmword ptr [rsi + 128]
vsubpd ymm10, ymm9, ymmword ptr [rdx + 128]
vmovapd ymm11, ymmword ptr [rsi - 96]
vsubpd ymm12, ymm11, ymmword ptr [rdx - 96]
vaddpd ymm13, ymm2, ymm0
vaddpd ymm14, ymm4, ymm0
vaddpd ymm15, ymm6, ymm0
vaddpd ymm1, ymm8, ymm0
vaddpd ymm3, ymm10, ymm0
vaddpd ymm5, ymm12, ymm0
vsubpd ymm7, ymm13, ymm0
vsubpd ymm9, ymm14, ymm0
vsubpd ymm11, ymm15, ymm0
vsubpd ymm13, ymm1, ymm0
vsubpd ymm14, ymm3, ymm0
vsubpd ymm15, ymm5, ymm0
vsubpd ymm1, ymm2, ymm7
vsubpd ymm3, ymm4, ymm9
vsubpd ymm5, ymm6, ymm11
vsubpd ymm2, ymm8, ymm13
vsubpd ymm4, ymm10, ymm14
vsubpd ymm6, ymm12, ymm15
vfmadd231pd ymm1, ymm14, ymmword ptr [rcx + 64]
vmovapd ymm8, ymmword ptr [rcx + 32]
vfmadd231pd ymm3, ymm7, ymm8
vmovapd ymm10, ymmword ptr [rsi - 32]
vsubpd ymm12, ymm10, ymmword ptr [rdx - 32]
vmovapd ymm14, ymmword ptr [rsi + 32]
vsubpd ymm7, ymm14, ymmword ptr [rdx + 32]
vfmadd231pd ymm5, ymm9, ymm8
vfmadd231pd ymm2, ymm11, ymm8
vmovapd ymm10, ymmword ptr [rsi + 96]
vsubpd ymm14, ymm10, ymmword ptr [rdx + 96]
vmovapd ymm9, ymmword ptr [rsi + 160]
vsubpd ymm11, ymm9, ymmword ptr [rdx + 160]
vfmadd231pd ymm4, ymm13, ymm8
vaddpd ymm10, ymm12, ymm0
vaddpd ymm9, ymm7, ymm0
vmovapd ymmword ptr [rdi - 128], ymm1
vaddpd ymm13, ymm14, ymm0
vmovapd ymmword ptr [rdi - 64], ymm3
vaddpd ymm1, ymm11, ymm0
vmovapd ymmword ptr [rdi + 0], ymm5
vsubpd ymm3, ymm10, ymm0
vsubpd ymm5, ymm9, ymm0
vmovapd ymmword ptr [rdi + 64], ymm2
vsubpd ymm10, ymm13, ymm0
vmovapd ymmword ptr [rdi + 128], ymm4
vsubpd ymm9, ymm1, ymm0
vsubpd ymm2, ymm12, ymm3
vsubpd ymm13, ymm7, ymm5
vsubpd ymm4, ymm14, ymm10
vsubpd ymm1, ymm11, ymm9
vfmadd231pd ymm6, ymm9, ymmword ptr [rcx + 64]
vfmadd231pd ymm2, ymm15, ymm8
vfmadd231pd ymm13, ymm3, ymm8
vfmadd231pd ymm4, ymm5, ymm8
vfmadd231pd ymm1, ymm10, ymm8
vmovapd ymmword ptr [rdi - 96], ymm6
vmovapd ymmword ptr [rdi - 32], ymm2
vmovapd ymmword ptr [rdi + 32], ymm13
vmovapd ymmword ptr [rdi + 96], ymm4
vmovapd ymmword ptr [rdi + 160], ymm1
ret
.p2align 6
