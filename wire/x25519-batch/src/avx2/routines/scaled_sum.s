# Written by scripts/generate-avx2.py.
vmovapd ymm0, ymmword ptr [rcx - 128]
vmovapd ymm1, ymmword ptr [rcx + 128]
vmovapd ymm2, ymmword ptr [rsi - 128]
vfmadd213pd ymm2, ymm1, ymmword ptr [rdx - 128]
vmovapd ymm3, ymmword ptr [rsi - 64]
vfmadd213pd ymm3, ymm1, ymmword ptr [rdx - 64]
vmovapd ymm4, ymmword ptr [rsi + 0]
vfmadd213pd ymm4, ymm1, ymmword ptr [rdx + 0]
vmovapd ymm5, ymmword ptr [rsi + 64]
vfmadd213pd ymm5, ymm1, ymmword ptr [rdx + 64]
vmovapd ymm6, ymmword ptr [rsi + 128]
vfmadd213pd ymm6, ymm1, ymmword ptr [rdx + 128]
vmovapd ymm7, ymmword ptr [rsi - 96]
vfmadd213pd ymm7, ymm1, ymmword ptr [rdx - 96]
vmovapd ymm8, ymmword ptr [rsi - 32]
vfmadd213pd ymm8, ymm1, ymmword ptr [rdx - 32]
vmovapd ymm9, ymmword ptr [rsi + 32]
vfmadd213pd ymm9, ymm1, ymmword ptr [rdx + 32]
vaddpd ymm10, ymm2, ymm0
vaddpd ymm11, ymm3, ymm0
vmovapd ymm12, ymmword ptr [rsi + 96]
vfmadd213pd ymm12, ymm1, ymmword ptr [rdx + 96]
vmovapd ymm13, ymmword ptr [rsi + 160]
vfmadd213pd ymm13, ymm1, ymmword ptr [rdx + 160]
vaddpd ymm14, ymm4, ymm0
vaddpd ymm15, ymm5, ymm0
vaddpd ymm2, ymm6, ymm0
vaddpd ymm3, ymm7, ymm0
vsubpd ymm4, ymm10, ymm0
vsubpd ymm5, ymm11, ymm0
vsubpd ymm6, ymm14, ymm0
vsubpd ymm7, ymm15, ymm0
vsubpd ymm10, ymm2, ymm0
vsubpd ymm11, ymm3, ymm0
vmovapd ymm14, ymmword ptr [rsi - 128]
vfmsub132pd ymm14, ymm4, ymm1
vmovapd ymm15, ymmword ptr [rsi - 64]
vfmsub132pd ymm15, ymm5, ymm1
vaddpd ymm2, ymm8, ymm0
vaddpd ymm3, ymm9, ymm0
vmovapd ymm8, ymmword ptr [rsi + 0]
vfmsub132pd ymm8, ymm6, ymm1
vaddpd ymm9, ymm12, ymm0
vaddpd ymm12, ymm13, ymm0
vsubpd ymm13, ymm2, ymm0
vsubpd ymm2, ymm3, ymm0
vaddpd ymm3, ymm14, ymmword ptr [rdx - 128]
vaddpd ymm14, ymm15, ymmword ptr [rdx - 64]
vaddpd ymm15, ymm8, ymmword ptr [rdx + 0]
vsubpd ymm8, ymm9, ymm0
vmovapd ymm9, ymmword ptr [rsi + 64]
vfmsub132pd ymm9, ymm7, ymm1
vsubpd ymm12, ymm12, ymm0
vfmadd231pd ymm3, ymm10, ymmword ptr [rcx + 64]
vmovapd ymmword ptr [rcx + 160], ymm7
vmovapd ymm7, ymmword ptr [rcx + 32]
vfmadd231pd ymm14, ymm4, ymm7
vmovapd ymm4, ymmword ptr [rsi + 128]
vfmsub132pd ymm4, ymm10, ymm1
vfmadd231pd ymm15, ymm5, ymm7
vmovapd ymm10, ymmword ptr [rsi - 96]
vfmsub132pd ymm10, ymm11, ymm1
vaddpd ymm5, ymm9, ymmword ptr [rdx + 64]
vmovapd ymmword ptr [rdi - 128], ymm3
vmovapd ymm9, ymmword ptr [rsi - 32]
vfmsub132pd ymm9, ymm13, ymm1
vaddpd ymm3, ymm4, ymmword ptr [rdx + 128]
vmovapd ymmword ptr [rdi - 64], ymm14
vmovapd ymm4, ymmword ptr [rsi + 32]
vfmsub132pd ymm4, ymm2, ymm1
vmovapd ymmword ptr [rdi + 0], ymm15
vfmadd231pd ymm5, ymm6, ymm7
vaddpd ymm14, ymm10, ymmword ptr [rdx - 96]
vmovapd ymm15, ymmword ptr [rsi + 96]
vfmsub132pd ymm15, ymm8, ymm1
vfmsub132pd ymm1, ymm12, ymmword ptr [rsi + 160]
vfmadd231pd ymm3, ymm7, ymmword ptr [rcx + 160]
vaddpd ymm6, ymm9, ymmword ptr [rdx - 32]
vaddpd ymm10, ymm4, ymmword ptr [rdx + 32]
vfmadd231pd ymm14, ymm12, ymmword ptr [rcx + 64]
vmovapd ymmword ptr [rdi + 64], ymm5
vaddpd ymm9, ymm15, ymmword ptr [rdx + 96]
vaddpd ymm4, ymm1, ymmword ptr [rdx + 160]
vfmadd231pd ymm6, ymm11, ymm7
vmovapd ymmword ptr [rdi + 128], ymm3
vfmadd231pd ymm10, ymm13, ymm7
vmovapd ymmword ptr [rdi - 96], ymm14
vfmadd231pd ymm9, ymm2, ymm7
vfmadd231pd ymm4, ymm8, ymm7
vmovapd ymmword ptr [rdi - 32], ymm6
vmovapd ymmword ptr [rdi + 32], ymm10
vmovapd ymmword ptr [rdi + 96], ymm9
vmovapd ymmword ptr [rdi + 160], ymm4
ret
.p2align 6
