# Written by scripts/generate-avx2.py.
vmovapd ymm0, ymmword ptr [rdx - 128]
vmovapd ymm1, ymmword ptr [rsi - 128]
vaddpd ymm2, ymm1, ymm1
vmovapd ymm3, ymmword ptr [rsi - 64]
vaddpd ymm4, ymm3, ymm3
vmovapd ymm5, ymmword ptr [rsi + 0]
vaddpd ymm6, ymm5, ymm5
vmovapd ymm7, ymmword ptr [rsi + 64]
vaddpd ymm8, ymm7, ymm7
vmovapd ymm9, ymmword ptr [rsi + 128]
vmovapd ymm10, ymm2
vfmadd213pd ymm10, ymm9, ymmword ptr [rdx - 64]
vmovapd ymm11, ymm2
vfmadd132pd ymm11, ymm0, ymm5
vmovapd ymm12, ymm2
vfmadd213pd ymm12, ymm7, ymmword ptr [rdx - 96]
vmovapd ymm13, ymm6
vfmadd132pd ymm13, ymm0, ymm9
vmovapd ymm14, ymm4
vfmadd213pd ymm14, ymm9, ymmword ptr [rdx - 96]
vmovapd ymm15, ymm8
vfmadd132pd ymm15, ymm0, ymm9
vmovapd ymm1, ymmword ptr [rdx - 64]
vmovapd ymmword ptr [rdx + 160], ymm8
vsubpd ymm8, ymm1, ymm10
vmovapd ymmword ptr [rdx + 192], ymm15
vsubpd ymm15, ymm0, ymm11
vmovapd ymmword ptr [rdx + 224], ymm6
vmovapd ymm6, ymm4
vfmadd132pd ymm6, ymm10, ymm7
vmovapd ymmword ptr [rdx + 256], ymm14
vmovapd ymm14, ymm3
vfmadd132pd ymm14, ymm11, ymm3
vmovapd ymmword ptr [rdx + 288], ymm13
vmovapd ymm13, ymmword ptr [rdx - 96]
vsubpd ymm1, ymm13, ymm12
vfmadd231pd ymm8, ymm2, ymm9
vfmadd231pd ymm15, ymm2, ymm5
vsubpd ymm10, ymm10, ymm6
vsubpd ymm11, ymm11, ymm14
vfmadd231pd ymm1, ymm2, ymm7
vsubpd ymm14, ymm14, ymm0
vfmadd231pd ymm10, ymm4, ymm7
vfmadd231pd ymm11, ymm3, ymm3
vaddpd ymm8, ymm8, ymm10
vaddpd ymm10, ymm15, ymm11
vmovapd ymm15, ymm5
vfmadd132pd ymm15, ymm6, ymm5
vmovapd ymm11, ymm4
vfmadd132pd ymm11, ymm12, ymm5
vsubpd ymm6, ymm6, ymm15
vsubpd ymm15, ymm15, ymmword ptr [rdx - 64]
vsubpd ymm12, ymm12, ymm11
vsubpd ymm11, ymm11, ymm13
vfmadd231pd ymm6, ymm5, ymm5
vfmadd231pd ymm12, ymm4, ymm5
vaddpd ymm5, ymm8, ymm6
vsubpd ymm8, ymm0, ymmword ptr [rdx + 288]
vaddpd ymm6, ymm1, ymm12
vsubpd ymm1, ymm13, ymmword ptr [rdx + 256]
vfmadd231pd ymm8, ymm9, ymmword ptr [rdx + 224]
vmovapd ymm12, ymm7
vfmadd213pd ymm12, ymm7, ymmword ptr [rdx + 288]
vfmadd231pd ymm1, ymm4, ymm9
vfmadd231pd ymm6, ymm14, ymmword ptr [rdx + 32]
vsubpd ymm4, ymm0, ymmword ptr [rdx + 192]
vmovapd ymm14, ymmword ptr [rdx + 192]
vsubpd ymm14, ymm14, ymm0
vmovapd ymmword ptr [rdx + 192], ymm6
vmovapd ymm6, ymmword ptr [rdx + 288]
vsubpd ymm6, ymm6, ymm12
vsubpd ymm12, ymm12, ymm0
vfmadd231pd ymm4, ymm9, ymmword ptr [rdx + 160]
vmovapd ymmword ptr [rdx + 160], ymm14
vmovapd ymm14, ymmword ptr [rdx + 224]
vfmadd213pd ymm14, ymm7, ymmword ptr [rdx + 256]
vfmadd231pd ymm6, ymm7, ymm7
vmovapd ymmword ptr [rdx + 288], ymm15
vmovapd ymm15, ymmword ptr [rdx + 256]
vsubpd ymm15, ymm15, ymm14
vsubpd ymm14, ymm14, ymm13
vmovapd ymm13, ymmword ptr [rdx + 32]
vfmadd231pd ymm4, ymm12, ymm13
vmovapd ymm12, ymm2
vfmadd132pd ymm12, ymm0, ymm3
vaddpd ymm8, ymm8, ymm6
vmovapd ymm6, ymm9
vfmadd213pd ymm6, ymm9, ymmword ptr [rdx - 32]
vfmadd231pd ymm15, ymm7, ymmword ptr [rdx + 224]
vmovapd ymm7, ymmword ptr [rsi - 128]
vfmadd132pd ymm7, ymm0, ymmword ptr [rsi - 128]
vfmadd231pd ymm8, ymm14, ymm13
vsubpd ymm14, ymm0, ymm12
vsubpd ymm12, ymm12, ymm0
vaddpd ymm1, ymm1, ymm15
vmovapd ymm15, ymmword ptr [rdx - 32]
vmovapd ymmword ptr [rdx + 224], ymm8
vsubpd ymm8, ymm15, ymm6
vfmsub213pd ymm6, ymm13, ymmword ptr [rdx + 96]
vsubpd ymm15, ymm0, ymm7
vsubpd ymm7, ymm7, ymm0
vfmadd231pd ymm14, ymm2, ymm3
vfmadd231pd ymm10, ymm12, ymm13
vfmadd231pd ymm8, ymm9, ymm9
vmovapd ymm3, ymm11
vfmadd132pd ymm3, ymm5, ymm13
vmovapd ymm2, ymmword ptr [rsi - 128]
vfmadd231pd ymm15, ymm2, ymm2
vfmadd231pd ymm1, ymm13, ymmword ptr [rdx + 288]
vmovapd ymm12, ymmword ptr [rsi - 96]
vaddpd ymm9, ymm12, ymm12
vfmadd231pd ymm14, ymm7, ymm13
vmovapd ymm2, ymmword ptr [rdx + 0]
vfmadd231pd ymm3, ymm6, ymm2
vfmadd231pd ymm8, ymm13, ymmword ptr [rdx + 160]
vmovapd ymm7, ymm4
vfmadd132pd ymm7, ymm10, ymm2
vmovapd ymm12, ymm1
vfmadd132pd ymm12, ymm15, ymm2
vaddpd ymm3, ymm3, ymm0
vaddpd ymm7, ymm7, ymm0
vaddpd ymm12, ymm12, ymm0
vsubpd ymm3, ymm3, ymm0
vsubpd ymm7, ymm7, ymm0
vsubpd ymm12, ymm12, ymm0
vfmsub132pd ymm6, ymm3, ymm2
vfmsub132pd ymm4, ymm7, ymm2
vfmsub132pd ymm1, ymm12, ymm2
vaddpd ymm5, ymm6, ymm5
vmovapd ymm6, ymm8
vfmadd213pd ymm6, ymm2, ymmword ptr [rdx + 192]
vaddpd ymm10, ymm4, ymm10
vmovapd ymm4, ymmword ptr [rdx + 224]
vfmadd132pd ymm4, ymm14, ymm2
vaddpd ymm15, ymm1, ymm15
vmovapd ymm1, ymmword ptr [rdx - 64]
vmovapd ymmword ptr [rdx + 160], ymm12
vmovapd ymm12, ymm9
vfmadd132pd ymm12, ymm1, ymmword ptr [rsi + 160]
vfmadd231pd ymm5, ymm11, ymm13
vmovapd ymm11, ymmword ptr [rsi + 32]
vfmadd132pd ymm11, ymm0, ymm9
vaddpd ymm6, ymm6, ymm0
vfmadd231pd ymm15, ymm3, ymmword ptr [rdx + 64]
vmovapd ymm3, ymmword ptr [rsi - 32]
vmovapd ymmword ptr [rdx + 288], ymm7
vaddpd ymm7, ymm3, ymm3
vaddpd ymm4, ymm4, ymm0
vsubpd ymm6, ymm6, ymm0
vsubpd ymm4, ymm4, ymm0
vmovapd ymmword ptr [rdi - 128], ymm15
vsubpd ymm15, ymm1, ymm12
vfmsub132pd ymm8, ymm6, ymm2
vfmadd231pd ymm5, ymm6, ymm13
vsubpd ymm6, ymm0, ymm11
vmovapd ymm1, ymmword ptr [rdx + 224]
vfmsub132pd ymm1, ymm4, ymm2
vfmadd231pd ymm10, ymm4, ymm13
vmovapd ymm4, ymmword ptr [rsi + 32]
vaddpd ymm2, ymm4, ymm4
vfmadd231pd ymm15, ymm9, ymmword ptr [rsi + 160]
vfmadd231pd ymm6, ymm9, ymm4
vaddpd ymm8, ymm8, ymmword ptr [rdx + 192]
vmovapd ymmword ptr [rdi + 128], ymm5
vmovapd ymm5, ymmword ptr [rsi + 96]
vmovapd ymmword ptr [rdx + 192], ymm6
vmovapd ymm6, ymm7
vfmadd132pd ymm6, ymm12, ymm5
vmovapd ymmword ptr [rdx + 224], ymm15
vmovapd ymm15, ymm3
vfmadd132pd ymm15, ymm11, ymm3
vaddpd ymm14, ymm1, ymm14
vmovapd ymmword ptr [rdi + 0], ymm10
vmovapd ymm1, ymm9
vfmadd213pd ymm1, ymm5, ymmword ptr [rdx - 96]
vmovapd ymm10, ymmword ptr [rsi + 160]
vfmadd132pd ymm10, ymm0, ymm2
vfmadd231pd ymm8, ymm13, ymmword ptr [rdx + 288]
vmovapd ymmword ptr [rdx + 288], ymm2
vaddpd ymm2, ymm5, ymm5
vfmadd231pd ymm14, ymm13, ymmword ptr [rdx + 160]
vsubpd ymm12, ymm12, ymm6
vsubpd ymm11, ymm11, ymm15
vmovapd ymm13, ymm4
vfmadd132pd ymm13, ymm6, ymm4
vsubpd ymm15, ymm15, ymm0
vmovapd ymmword ptr [rdi + 64], ymm8
vfmadd231pd ymm12, ymm7, ymm5
vfmadd231pd ymm11, ymm3, ymm3
vmovapd ymm8, ymmword ptr [rdx - 96]
vsubpd ymm3, ymm8, ymm1
vmovapd ymmword ptr [rdi - 64], ymm14
vsubpd ymm14, ymm6, ymm13
vsubpd ymm6, ymm13, ymmword ptr [rdx - 64]
vmovapd ymm13, ymm7
vfmadd132pd ymm13, ymm1, ymm4
vfmadd231pd ymm3, ymm9, ymm5
vaddpd ymm12, ymm12, ymmword ptr [rdx + 224]
vaddpd ymm11, ymm11, ymmword ptr [rdx + 192]
vfmadd231pd ymm14, ymm4, ymm4
vmovapd ymmword ptr [rdx + 192], ymm6
vmovapd ymm6, ymm5
vfmadd132pd ymm6, ymm10, ymm5
vmovapd ymmword ptr [rdx + 224], ymm11
vsubpd ymm11, ymm0, ymm10
vsubpd ymm1, ymm1, ymm13
vsubpd ymm13, ymm13, ymm8
vaddpd ymm12, ymm12, ymm14
vmovapd ymm14, ymmword ptr [rsi + 160]
vfmadd231pd ymm11, ymm14, ymmword ptr [rdx + 288]
vsubpd ymm10, ymm10, ymm6
vfmadd231pd ymm1, ymm7, ymm4
vsubpd ymm4, ymm6, ymm0
vmovapd ymm6, ymm7
vfmadd132pd ymm6, ymm8, ymm14
vfmadd231pd ymm10, ymm5, ymm5
vaddpd ymm3, ymm3, ymm1
vmovapd ymm1, ymm2
vfmadd132pd ymm1, ymm0, ymm14
vaddpd ymm11, ymm11, ymm10
vsubpd ymm10, ymm8, ymm6
vfmadd231pd ymm3, ymm15, ymmword ptr [rdx + 32]
vsubpd ymm15, ymm0, ymm1
vsubpd ymm1, ymm1, ymm0
vfmadd231pd ymm10, ymm7, ymm14
vmovapd ymm7, ymmword ptr [rdx + 288]
vmovapd ymmword ptr [rdx + 160], ymm3
vmovapd ymm3, ymm7
vfmadd132pd ymm3, ymm6, ymm5
vfmadd231pd ymm15, ymm2, ymm14
vmovapd ymm2, ymmword ptr [rsi - 32]
vfmadd132pd ymm2, ymm0, ymm9
vsubpd ymm6, ymm6, ymm3
vsubpd ymm8, ymm3, ymm8
vmovapd ymm3, ymmword ptr [rdx + 32]
vfmadd231pd ymm15, ymm4, ymm3
vmovapd ymm4, ymm14
vfmadd213pd ymm4, ymm14, ymmword ptr [rdx - 32]
vfmadd231pd ymm6, ymm7, ymm5
vmovapd ymm5, ymmword ptr [rsi - 96]
vfmadd132pd ymm5, ymm0, ymmword ptr [rsi - 96]
vfmadd231pd ymm11, ymm8, ymm3
vsubpd ymm7, ymm0, ymm2
vsubpd ymm8, ymm2, ymm0
vaddpd ymm2, ymm10, ymm6
vmovapd ymm10, ymmword ptr [rdx - 32]
vsubpd ymm6, ymm10, ymm4
vfmsub213pd ymm4, ymm3, ymmword ptr [rdx + 96]
vsubpd ymm10, ymm0, ymm5
vfmadd231pd ymm7, ymm9, ymmword ptr [rsi - 32]
vsubpd ymm9, ymm5, ymm0
vfmadd213pd ymm8, ymm3, ymmword ptr [rdx + 224]
vmovapd ymm5, ymm13
vfmadd132pd ymm5, ymm12, ymm3
vfmadd231pd ymm6, ymm14, ymm14
vfmadd231pd ymm2, ymm3, ymmword ptr [rdx + 192]
vmovapd ymm14, ymmword ptr [rsi - 96]
vfmadd231pd ymm10, ymm14, ymm14
vmovapd ymm14, ymmword ptr [rdx + 0]
vmovapd ymmword ptr [rdx + 192], ymm13
vmovapd ymm13, ymm15
vfmadd132pd ymm13, ymm8, ymm14
vfmadd231pd ymm7, ymm9, ymm3
vfmadd231pd ymm5, ymm4, ymm14
vfmadd231pd ymm6, ymm1, ymm3
vmovapd ymm9, ymm2
vfmadd132pd ymm9, ymm10, ymm14
vaddpd ymm1, ymm13, ymm0
vmovapd ymm13, ymm11
vfmadd132pd ymm13, ymm7, ymm14
vaddpd ymm5, ymm5, ymm0
vsubpd ymm1, ymm1, ymm0
vaddpd ymm9, ymm9, ymm0
vsubpd ymm5, ymm5, ymm0
vaddpd ymm13, ymm13, ymm0
vfmsub132pd ymm15, ymm1, ymm14
vsubpd ymm9, ymm9, ymm0
vfmsub132pd ymm4, ymm5, ymm14
vsubpd ymm13, ymm13, ymm0
vfmsub132pd ymm2, ymm9, ymm14
vaddpd ymm8, ymm15, ymm8
vfmsub132pd ymm11, ymm13, ymm14
vaddpd ymm15, ymm4, ymm12
vmovapd ymm12, ymm6
vfmadd213pd ymm12, ymm14, ymmword ptr [rdx + 160]
vaddpd ymm4, ymm2, ymm10
vfmadd231pd ymm8, ymm13, ymm3
vfmadd231pd ymm15, ymm3, ymmword ptr [rdx + 192]
vaddpd ymm10, ymm11, ymm7
vaddpd ymm2, ymm12, ymm0
vfmadd231pd ymm4, ymm5, ymmword ptr [rdx + 64]
vmovapd ymmword ptr [rdi + 32], ymm8
vfmadd231pd ymm10, ymm9, ymm3
vsubpd ymm13, ymm2, ymm0
vmovapd ymmword ptr [rdi - 96], ymm4
vfmsub132pd ymm6, ymm13, ymm14
vfmadd231pd ymm15, ymm13, ymm3
vmovapd ymmword ptr [rdi - 32], ymm10
vaddpd ymm7, ymm6, ymmword ptr [rdx + 160]
vmovapd ymmword ptr [rdi + 160], ymm15
vfmadd231pd ymm7, ymm1, ymm3
vmovapd ymmword ptr [rdi + 96], ymm7
ret
.p2align 6
