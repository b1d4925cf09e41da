# Written by scripts/generate-avx2.py.
vmovapd ymm0, ymmword ptr [rcx - 128]
vmovapd ymm1, ymmword ptr [rsi - 128]
vaddpd ymm2, ymm1, ymmword ptr [rdx - 128]
vmovapd ymm3, ymmword ptr [rsi - 64]
vaddpd ymm4, ymm3, ymmword ptr [rdx - 64]
vmovapd ymm5, ymmword ptr [rsi + 0]
vaddpd ymm6, ymm5, ymmword ptr [rdx + 0]
vmovapd ymm7, ymmword ptr [rsi + 64]
vaddpd ymm8, ymm7, ymmword ptr [rdx + 64]
vmovapd ymm9, ymmword ptr [rsi + 128]
vaddpd ymm10, ymm9, ymmword ptr [rdx + 128]
vsubpd ymm11, ymm1, ymmword ptr [rdx - 128]
vaddpd ymm12, ymm2, ymm0
vaddpd ymm13, ymm4, ymm0
vaddpd ymm14, ymm6, ymm0
vaddpd ymm15, ymm8, ymm0
vaddpd ymm1, ymm10, ymm0
vaddpd ymm9, ymm11, ymm0
vsubpd ymm12, ymm12, ymm0
vsubpd ymm13, ymm13, ymm0
vsubpd ymm14, ymm14, ymm0
vsubpd ymm15, ymm15, ymm0
vsubpd ymm1, ymm1, ymm0
vsubpd ymm9, ymm9, ymm0
vsubpd ymm2, ymm2, ymm12
vsubpd ymm4, ymm4, ymm13
vsubpd ymm6, ymm6, ymm14
vsubpd ymm8, ymm8, ymm15
vsubpd ymm10, ymm10, ymm1
vsubpd ymm11, ymm11, ymm9
vfmadd231pd ymm2, ymm1, ymmword ptr [rcx + 64]
vmovapd ymm1, ymmword ptr [rcx + 32]
vfmadd231pd ymm4, ymm12, ymm1
vsubpd ymm12, ymm3, ymmword ptr [rdx - 64]
vsubpd ymm3, ymm5, ymmword ptr [rdx + 0]
vfmadd231pd ymm6, ymm13, ymm1
vfmadd231pd ymm8, ymm14, ymm1
vsubpd ymm5, ymm7, ymmword ptr [rdx + 64]
vmovapd ymm13, ymmword ptr [rsi + 128]
vsubpd ymm14, ymm13, ymmword ptr [rdx + 128]
vfmadd231pd ymm10, ymm15, ymm1
vmovapd ymm7, ymmword ptr [rsi - 96]
vaddpd ymm13, ymm7, ymmword ptr [rdx - 96]
vmovapd ymm15, ymmword ptr [rsi - 32]
vaddpd ymm7, ymm15, ymmword ptr [rdx - 32]
vmovapd ymmword ptr [rdi - 128], ymm2
vaddpd ymm2, ymm12, ymm0
vmovapd ymmword ptr [rdi - 64], ymm4
vaddpd ymm4, ymm3, ymm0
vmovapd ymmword ptr [rdi + 0], ymm6
vaddpd ymm6, ymm5, ymm0
vmovapd ymmword ptr [rdi + 64], ymm8
vsubpd ymm8, ymm2, ymm0
vaddpd ymm2, ymm14, ymm0
vmovapd ymmword ptr [rdi + 128], ymm10
vsubpd ymm10, ymm4, ymm0
vaddpd ymm4, ymm13, ymm0
vsubpd ymm6, ymm6, ymm0
vsubpd ymm12, ymm12, ymm8
vsubpd ymm2, ymm2, ymm0
vsubpd ymm3, ymm3, ymm10
vsubpd ymm4, ymm4, ymm0
vsubpd ymm5, ymm5, ymm6
vsubpd ymm14, ymm14, ymm2
vfmadd231pd ymm11, ymm2, ymmword ptr [rcx + 64]
vfmadd231pd ymm12, ymm9, ymm1
vaddpd ymm2, ymm7, ymm0
vsubpd ymm9, ymm13, ymm4
vfmadd231pd ymm3, ymm8, ymm1
vmovapd ymm13, ymmword ptr [rsi + 32]
vaddpd ymm8, ymm13, ymmword ptr [rdx + 32]
vfmadd231pd ymm5, ymm10, ymm1
vmovapd ymm10, ymmword ptr [rsi + 96]
vmovapd ymmword ptr [rcx + 160], ymm9
vaddpd ymm9, ymm10, ymmword ptr [rdx + 96]
vmovapd ymm10, ymmword ptr [rsi + 160]
vaddpd ymm13, ymm10, ymmword ptr [rdx + 160]
vsubpd ymm2, ymm2, ymm0
vfmadd231pd ymm14, ymm6, ymm1
vmovapd ymm6, ymmword ptr [rsi - 96]
vsubpd ymm6, ymm6, ymmword ptr [rdx - 96]
vmovapd ymmword ptr [r8 - 128], ymm11
vaddpd ymm11, ymm8, ymm0
vmovapd ymmword ptr [r8 - 64], ymm12
vaddpd ymm12, ymm9, ymm0
vmovapd ymmword ptr [r8 + 0], ymm3
vsubpd ymm3, ymm7, ymm2
vaddpd ymm7, ymm13, ymm0
vmovapd ymmword ptr [r8 + 64], ymm5
vsubpd ymm5, ymm11, ymm0
vaddpd ymm11, ymm6, ymm0
vmovapd ymmword ptr [r8 + 128], ymm14
vsubpd ymm14, ymm12, ymm0
vsubpd ymm12, ymm15, ymmword ptr [rdx - 32]
vsubpd ymm15, ymm7, ymm0
vfmadd231pd ymm3, ymm4, ymm1
vmovapd ymm7, ymmword ptr [rsi + 32]
vsubpd ymm4, ymm7, ymmword ptr [rdx + 32]
vsubpd ymm7, ymm8, ymm5
vsubpd ymm8, ymm11, ymm0
vsubpd ymm11, ymm9, ymm14
vsubpd ymm9, ymm13, ymm15
vmovapd ymm13, ymmword ptr [rcx + 160]
vfmadd132pd ymm15, ymm13, ymmword ptr [rcx + 64]
vaddpd ymm13, ymm12, ymm0
vmovapd ymmword ptr [rdi - 32], ymm3
vfmadd231pd ymm7, ymm2, ymm1
vsubpd ymm3, ymm6, ymm8
vaddpd ymm2, ymm4, ymm0
vfmadd231pd ymm11, ymm5, ymm1
vmovapd ymm6, ymmword ptr [rsi + 96]
vsubpd ymm5, ymm6, ymmword ptr [rdx + 96]
vsubpd ymm6, ymm10, ymmword ptr [rdx + 160]
vfmadd231pd ymm9, ymm14, ymm1
vsubpd ymm10, ymm13, ymm0
vmovapd ymmword ptr [rdi - 96], ymm15
vsubpd ymm14, ymm2, ymm0
vmovapd ymmword ptr [rdi + 32], ymm7
vaddpd ymm13, ymm5, ymm0
vaddpd ymm15, ymm6, ymm0
vmovapd ymmword ptr [rdi + 96], ymm11
vsubpd ymm2, ymm12, ymm10
vmovapd ymmword ptr [rdi + 160], ymm9
vsubpd ymm7, ymm4, ymm14
vsubpd ymm11, ymm13, ymm0
vsubpd ymm12, ymm15, ymm0
vfmadd231pd ymm2, ymm8, ymm1
vfmadd231pd ymm7, ymm10, ymm1
vsubpd ymm9, ymm5, ymm11
vsubpd ymm4, ymm6, ymm12
vfmadd231pd ymm3, ymm12, ymmword ptr [rcx + 64]
vmovapd ymmword ptr [r8 - 32], ymm2
vmovapd ymmword ptr [r8 + 32], ymm7
vfmadd231pd ymm9, ymm14, ymm1
vfmadd231pd ymm4, ymm11, ymm1
vmovapd ymmword ptr [r8 - 96], ymm3
vmovapd ymmword ptr [r8 + 96], ymm9
vmovapd ymmword ptr [r8 + 160], ymm4
ret
.p2align 6
