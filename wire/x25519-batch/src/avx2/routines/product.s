# Written by scripts/generate-avx2.py.
vmovapd ymm0, ymmword ptr [rcx - 128]
vmovapd ymm1, ymmword ptr [rsi - 128]
vmovapd ymm2, ymmword ptr [rdx + 0]
vmovapd ymm3, ymm1
vfmadd132pd ymm3, ymm0, ymm2
vsubpd ymm4, ymm0, ymm3
vfmadd231pd ymm4, ymm1, ymm2
vmovapd ymm5, ymmword ptr [rsi - 64]
vmovapd ymm6, ymmword ptr [rdx - 64]
vmovapd ymm7, ymm5
vfmadd132pd ymm7, ymm3, ymm6
vsubpd ymm8, ymm3, ymm7
vfmadd231pd ymm8, ymm5, ymm6
vaddpd ymm9, ymm4, ymm8
vmovapd ymm10, ymmword ptr [rsi + 0]
vmovapd ymm11, ymmword ptr [rdx - 128]
vmovapd ymm12, ymm10
vfmadd132pd ymm12, ymm7, ymm11
vsubpd ymm13, ymm7, ymm12
vfmadd231pd ymm13, ymm10, ymm11
vaddpd ymm14, ymm9, ymm13
vsubpd ymm15, ymm12, ymm0
vmovapd ymm3, ymmword ptr [rdx + 128]
vmovapd ymm4, ymm5
vfmadd213pd ymm4, ymm3, ymmword ptr [rcx - 96]
vmovapd ymm8, ymmword ptr [rcx - 96]
vsubpd ymm7, ymm8, ymm4
vfmadd231pd ymm7, ymm5, ymm3
vmovapd ymm9, ymm10
vfmadd132pd ymm9, ymm0, ymm3
vmovapd ymm13, ymmword ptr [rdx + 64]
vmovapd ymm12, ymm10
vfmadd132pd ymm12, ymm4, ymm13
vmovapd ymmword ptr [rcx + 160], ymm15
vsubpd ymm15, ymm0, ymm9
vsubpd ymm4, ymm4, ymm12
vfmadd231pd ymm15, ymm10, ymm3
vfmadd231pd ymm4, ymm10, ymm13
vaddpd ymm7, ymm7, ymm4
vmovapd ymm4, ymmword ptr [rsi + 64]
vmovapd ymmword ptr [rcx + 192], ymm14
vmovapd ymm14, ymm4
vfmadd132pd ymm14, ymm0, ymm3
vmovapd ymm11, ymm4
vfmadd132pd ymm11, ymm9, ymm13
vmovapd ymm10, ymm4
vfmadd132pd ymm10, ymm12, ymm2
vsubpd ymm5, ymm0, ymm14
vsubpd ymm9, ymm9, ymm11
vsubpd ymm12, ymm12, ymm10
vfmadd231pd ymm5, ymm4, ymm3
vfmadd231pd ymm9, ymm4, ymm13
vfmadd231pd ymm12, ymm4, ymm2
vaddpd ymm15, ymm15, ymm9
vaddpd ymm9, ymm7, ymm12
vmovapd ymm7, ymmword ptr [rsi + 128]
vmovapd ymm12, ymm7
vfmadd132pd ymm12, ymm14, ymm13
vmovapd ymm4, ymm7
vfmadd132pd ymm4, ymm11, ymm2
vmovapd ymm1, ymm7
vfmadd132pd ymm1, ymm10, ymm6
vsubpd ymm14, ymm14, ymm12
vsubpd ymm11, ymm11, ymm4
vsubpd ymm10, ymm10, ymm1
vfmadd231pd ymm14, ymm7, ymm13
vfmadd231pd ymm11, ymm7, ymm2
vfmadd231pd ymm10, ymm7, ymm6
vaddpd ymm5, ymm5, ymm14
vaddpd ymm14, ymm15, ymm11
vaddpd ymm15, ymm9, ymm10
vsubpd ymm11, ymm12, ymm0
vsubpd ymm9, ymm4, ymm0
vsubpd ymm10, ymm1, ymm8
vmovapd ymm12, ymmword ptr [rsi - 128]
vmovapd ymm4, ymm12
vfmadd213pd ymm4, ymm3, ymmword ptr [rcx - 64]
vmovapd ymm1, ymmword ptr [rcx - 64]
vmovapd ymmword ptr [rcx + 224], ymm11
vsubpd ymm11, ymm1, ymm4
vfmadd231pd ymm11, ymm12, ymm3
vmovapd ymm3, ymm12
vfmadd132pd ymm3, ymm8, ymm13
vmovapd ymmword ptr [rcx + 256], ymm15
vmovapd ymm15, ymmword ptr [rsi - 64]
vmovapd ymmword ptr [rcx + 288], ymm14
vmovapd ymm14, ymm15
vfmadd132pd ymm14, ymm4, ymm13
vmovapd ymmword ptr [rcx + 320], ymm10
vsubpd ymm10, ymm8, ymm3
vsubpd ymm4, ymm4, ymm14
vfmadd231pd ymm10, ymm12, ymm13
vfmadd231pd ymm4, ymm15, ymm13
vaddpd ymm13, ymm11, ymm4
vmovapd ymm11, ymm15
vfmadd132pd ymm11, ymm3, ymm2
vmovapd ymm4, ymmword ptr [rsi + 0]
vmovapd ymm1, ymm4
vfmadd132pd ymm1, ymm14, ymm2
vsubpd ymm3, ymm3, ymm11
vsubpd ymm14, ymm14, ymm1
vfmadd231pd ymm3, ymm15, ymm2
vfmadd231pd ymm14, ymm4, ymm2
vaddpd ymm2, ymm10, ymm3
vaddpd ymm10, ymm13, ymm14
vmovapd ymm3, ymm12
vfmadd132pd ymm3, ymm0, ymm6
vmovapd ymm13, ymm4
vfmadd132pd ymm13, ymm11, ymm6
vmovapd ymm14, ymmword ptr [rsi + 64]
vmovapd ymm8, ymm14
vfmadd132pd ymm8, ymm1, ymm6
vmovapd ymmword ptr [rcx + 352], ymm5
vsubpd ymm5, ymm0, ymm3
vsubpd ymm11, ymm11, ymm13
vsubpd ymm1, ymm1, ymm8
vfmadd231pd ymm5, ymm12, ymm6
vfmadd231pd ymm11, ymm4, ymm6
vfmadd231pd ymm1, ymm14, ymm6
vaddpd ymm4, ymm2, ymm11
vaddpd ymm6, ymm10, ymm1
vmovapd ymm2, ymmword ptr [rdx - 128]
vmovapd ymm11, ymm15
vfmadd132pd ymm11, ymm3, ymm2
vmovapd ymm10, ymm14
vfmadd132pd ymm10, ymm13, ymm2
vmovapd ymm1, ymm7
vfmadd132pd ymm1, ymm8, ymm2
vsubpd ymm3, ymm3, ymm11
vsubpd ymm13, ymm13, ymm10
vsubpd ymm8, ymm8, ymm1
vfmadd231pd ymm3, ymm15, ymm2
vfmadd231pd ymm13, ymm14, ymm2
vfmadd231pd ymm8, ymm7, ymm2
vaddpd ymm15, ymm5, ymm3
vaddpd ymm14, ymm4, ymm13
vaddpd ymm5, ymm6, ymm8
vsubpd ymm3, ymm11, ymm0
vsubpd ymm4, ymm10, ymmword ptr [rcx - 96]
vsubpd ymm13, ymm1, ymmword ptr [rcx - 64]
vmovapd ymm6, ymmword ptr [rcx + 32]
vfmadd213pd ymm9, ymm6, ymmword ptr [rcx + 352]
vfmadd213pd ymm3, ymm6, ymmword ptr [rcx + 192]
vmovapd ymm8, ymmword ptr [rcx + 0]
vmovapd ymm11, ymm9
vfmadd132pd ymm11, ymm3, ymm8
vaddpd ymm10, ymm11, ymm0
vsubpd ymm1, ymm10, ymm0
vfmsub132pd ymm9, ymm1, ymm8
vaddpd ymm11, ymm9, ymm3
vmovapd ymm10, ymm12
vfmadd132pd ymm10, ymm0, ymm2
vsubpd ymm3, ymm0, ymm10
vfmadd231pd ymm3, ymm12, ymm2
vsubpd ymm9, ymm10, ymm0
vmovapd ymm2, ymmword ptr [rcx + 320]
vfmadd213pd ymm2, ymm6, ymmword ptr [rcx + 288]
vfmadd231pd ymm15, ymm9, ymm6
vmovapd ymm12, ymm2
vfmadd132pd ymm12, ymm15, ymm8
vaddpd ymm10, ymm12, ymm0
vsubpd ymm9, ymm10, ymm0
vfmsub132pd ymm2, ymm9, ymm8
vaddpd ymm12, ymm2, ymm15
vfmadd213pd ymm13, ymm6, ymmword ptr [rcx + 256]
vmovapd ymm10, ymm13
vfmadd132pd ymm10, ymm3, ymm8
vaddpd ymm15, ymm10, ymm0
vsubpd ymm2, ymm15, ymm0
vfmsub132pd ymm13, ymm2, ymm8
vaddpd ymm10, ymm13, ymm3
vfmadd231pd ymm11, ymm9, ymm6
vmovapd ymmword ptr [rdi + 0], ymm11
vfmadd231pd ymm12, ymm2, ymm6
vmovapd ymmword ptr [rdi - 64], ymm12
vmovapd ymm15, ymmword ptr [rdx + 128]
vmovapd ymm3, ymm7
vfmadd213pd ymm3, ymm15, ymmword ptr [rcx - 32]
vmovapd ymm13, ymmword ptr [rcx - 32]
vsubpd ymm9, ymm13, ymm3
vfmadd231pd ymm9, ymm7, ymm15
vmovapd ymm11, ymmword ptr [rsi - 96]
vmovapd ymm2, ymmword ptr [rdx + 32]
vmovapd ymm12, ymm11
vfmadd132pd ymm12, ymm0, ymm2
vfmsub213pd ymm3, ymm6, ymmword ptr [rcx + 96]
vsubpd ymm15, ymm0, ymm12
vmovapd ymm7, ymm4
vfmadd132pd ymm7, ymm5, ymm6
vfmadd231pd ymm15, ymm11, ymm2
vfmadd231pd ymm7, ymm3, ymm8
vmovapd ymm13, ymmword ptr [rsi - 32]
vmovapd ymm11, ymmword ptr [rdx - 32]
vmovapd ymm2, ymm13
vfmadd132pd ymm2, ymm12, ymm11
vaddpd ymm7, ymm7, ymm0
vsubpd ymm12, ymm12, ymm2
vsubpd ymm7, ymm7, ymm0
vfmadd231pd ymm12, ymm13, ymm11
vfmsub132pd ymm3, ymm7, ymm8
vaddpd ymm15, ymm15, ymm12
vaddpd ymm12, ymm3, ymm5
vmovapd ymm5, ymmword ptr [rsi + 32]
vmovapd ymm3, ymmword ptr [rdx - 96]
vmovapd ymm11, ymm5
vfmadd132pd ymm11, ymm2, ymm3
vfmadd231pd ymm12, ymm4, ymm6
vsubpd ymm4, ymm2, ymm11
vfmadd231pd ymm9, ymm6, ymmword ptr [rcx + 224]
vfmadd231pd ymm4, ymm5, ymm3
vfmadd231pd ymm14, ymm6, ymmword ptr [rcx + 160]
vaddpd ymm2, ymm15, ymm4
vmovapd ymm15, ymm9
vfmadd132pd ymm15, ymm14, ymm8
vsubpd ymm4, ymm11, ymm0
vaddpd ymm11, ymm15, ymm0
vmovapd ymm15, ymmword ptr [rdx + 160]
vmovapd ymmword ptr [rcx + 160], ymm4
vmovapd ymm4, ymm13
vfmadd213pd ymm4, ymm15, ymmword ptr [rcx - 96]
vsubpd ymm11, ymm11, ymm0
vmovapd ymmword ptr [rcx + 224], ymm2
vmovapd ymm2, ymmword ptr [rcx - 96]
vsubpd ymm3, ymm2, ymm4
vfmsub132pd ymm9, ymm11, ymm8
vfmadd231pd ymm3, ymm13, ymm15
vaddpd ymm14, ymm9, ymm14
vmovapd ymm9, ymm5
vfmadd132pd ymm9, ymm0, ymm15
vfmadd231pd ymm12, ymm11, ymm6
vmovapd ymm11, ymmword ptr [rdx + 96]
vmovapd ymm8, ymm5
vfmadd132pd ymm8, ymm4, ymm11
vmovapd ymmword ptr [rdi + 128], ymm12
vsubpd ymm12, ymm0, ymm9
vfmadd231pd ymm14, ymm1, ymm6
vsubpd ymm1, ymm4, ymm8
vmovapd ymmword ptr [rdi + 64], ymm14
vfmadd231pd ymm12, ymm5, ymm15
vfmadd231pd ymm10, ymm7, ymmword ptr [rcx + 64]
vfmadd231pd ymm1, ymm5, ymm11
vmovapd ymmword ptr [rdi - 128], ymm10
vaddpd ymm4, ymm3, ymm1
vmovapd ymm14, ymmword ptr [rsi + 96]
vmovapd ymm7, ymm14
vfmadd132pd ymm7, ymm0, ymm15
vmovapd ymm10, ymm14
vfmadd132pd ymm10, ymm9, ymm11
vmovapd ymm3, ymmword ptr [rdx + 32]
vmovapd ymm1, ymm14
vfmadd132pd ymm1, ymm8, ymm3
vsubpd ymm6, ymm0, ymm7
vsubpd ymm9, ymm9, ymm10
vsubpd ymm8, ymm8, ymm1
vfmadd231pd ymm6, ymm14, ymm15
vfmadd231pd ymm9, ymm14, ymm11
vfmadd231pd ymm8, ymm14, ymm3
vaddpd ymm12, ymm12, ymm9
vaddpd ymm9, ymm4, ymm8
vmovapd ymm4, ymmword ptr [rsi + 160]
vmovapd ymm8, ymm4
vfmadd132pd ymm8, ymm7, ymm11
vmovapd ymm14, ymm4
vfmadd132pd ymm14, ymm10, ymm3
vmovapd ymm5, ymmword ptr [rdx - 32]
vmovapd ymm13, ymm4
vfmadd132pd ymm13, ymm1, ymm5
vsubpd ymm7, ymm7, ymm8
vsubpd ymm10, ymm10, ymm14
vsubpd ymm1, ymm1, ymm13
vfmadd231pd ymm7, ymm4, ymm11
vfmadd231pd ymm10, ymm4, ymm3
vfmadd231pd ymm1, ymm4, ymm5
vaddpd ymm6, ymm6, ymm7
vaddpd ymm7, ymm12, ymm10
vaddpd ymm12, ymm9, ymm1
vsubpd ymm10, ymm8, ymm0
vsubpd ymm9, ymm14, ymm0
vsubpd ymm1, ymm13, ymm2
vmovapd ymm8, ymmword ptr [rsi - 96]
vmovapd ymm14, ymm8
vfmadd213pd ymm14, ymm15, ymmword ptr [rcx - 64]
vmovapd ymm13, ymmword ptr [rcx - 64]
vmovapd ymmword ptr [rcx + 256], ymm10
vsubpd ymm10, ymm13, ymm14
vfmadd231pd ymm10, ymm8, ymm15
vmovapd ymm15, ymm8
vfmadd132pd ymm15, ymm2, ymm11
vmovapd ymmword ptr [rcx + 320], ymm12
vmovapd ymm12, ymmword ptr [rsi - 32]
vmovapd ymmword ptr [rcx + 288], ymm7
vmovapd ymm7, ymm12
vfmadd132pd ymm7, ymm14, ymm11
vmovapd ymmword ptr [rcx + 192], ymm1
vsubpd ymm1, ymm2, ymm15
vsubpd ymm14, ymm14, ymm7
vfmadd231pd ymm1, ymm8, ymm11
vfmadd231pd ymm14, ymm12, ymm11
vaddpd ymm11, ymm10, ymm14
vmovapd ymm10, ymm12
vfmadd132pd ymm10, ymm15, ymm3
vmovapd ymm14, ymmword ptr [rsi + 32]
vmovapd ymm13, ymm14
vfmadd132pd ymm13, ymm7, ymm3
vsubpd ymm15, ymm15, ymm10
vsubpd ymm7, ymm7, ymm13
vfmadd231pd ymm15, ymm12, ymm3
vfmadd231pd ymm7, ymm14, ymm3
vaddpd ymm3, ymm1, ymm15
vaddpd ymm1, ymm11, ymm7
vmovapd ymm15, ymm8
vfmadd132pd ymm15, ymm0, ymm5
vmovapd ymm11, ymm14
vfmadd132pd ymm11, ymm10, ymm5
vmovapd ymm7, ymmword ptr [rsi + 96]
vmovapd ymm2, ymm7
vfmadd132pd ymm2, ymm13, ymm5
vmovapd ymmword ptr [rcx + 352], ymm6
vsubpd ymm6, ymm0, ymm15
vsubpd ymm10, ymm10, ymm11
vsubpd ymm13, ymm13, ymm2
vfmadd231pd ymm6, ymm8, ymm5
vfmadd231pd ymm10, ymm14, ymm5
vfmadd231pd ymm13, ymm7, ymm5
vaddpd ymm14, ymm3, ymm10
vaddpd ymm5, ymm1, ymm13
vmovapd ymm3, ymmword ptr [rdx - 96]
vmovapd ymm10, ymm12
vfmadd132pd ymm10, ymm15, ymm3
vmovapd ymm1, ymm7
vfmadd132pd ymm1, ymm11, ymm3
vmovapd ymm13, ymm4
vfmadd132pd ymm13, ymm2, ymm3
vsubpd ymm15, ymm15, ymm10
vsubpd ymm11, ymm11, ymm1
vsubpd ymm2, ymm2, ymm13
vfmadd231pd ymm15, ymm12, ymm3
vfmadd231pd ymm11, ymm7, ymm3
vfmadd231pd ymm2, ymm4, ymm3
vaddpd ymm12, ymm6, ymm15
vaddpd ymm7, ymm14, ymm11
vaddpd ymm6, ymm5, ymm2
vsubpd ymm15, ymm10, ymm0
vsubpd ymm14, ymm1, ymmword ptr [rcx - 96]
vsubpd ymm11, ymm13, ymmword ptr [rcx - 64]
vmovapd ymm5, ymmword ptr [rcx + 32]
vfmadd213pd ymm9, ymm5, ymmword ptr [rcx + 352]
vfmadd213pd ymm15, ymm5, ymmword ptr [rcx + 224]
vmovapd ymm2, ymmword ptr [rcx + 0]
vmovapd ymm10, ymm9
vfmadd132pd ymm10, ymm15, ymm2
vaddpd ymm1, ymm10, ymm0
vsubpd ymm13, ymm1, ymm0
vfmsub132pd ymm9, ymm13, ymm2
vaddpd ymm10, ymm9, ymm15
vmovapd ymm1, ymm8
vfmadd132pd ymm1, ymm0, ymm3
vsubpd ymm15, ymm0, ymm1
vfmadd231pd ymm15, ymm8, ymm3
vsubpd ymm9, ymm1, ymm0
vmovapd ymm3, ymmword ptr [rcx + 192]
vfmadd213pd ymm3, ymm5, ymmword ptr [rcx + 288]
vfmadd231pd ymm12, ymm9, ymm5
vmovapd ymm8, ymm3
vfmadd132pd ymm8, ymm12, ymm2
vaddpd ymm1, ymm8, ymm0
vsubpd ymm9, ymm1, ymm0
vfmsub132pd ymm3, ymm9, ymm2
vaddpd ymm8, ymm3, ymm12
vfmadd213pd ymm11, ymm5, ymmword ptr [rcx + 320]
vmovapd ymm1, ymm11
vfmadd132pd ymm1, ymm15, ymm2
vaddpd ymm12, ymm1, ymm0
vsubpd ymm3, ymm12, ymm0
vfmsub132pd ymm11, ymm3, ymm2
vaddpd ymm1, ymm11, ymm15
vfmadd231pd ymm10, ymm9, ymm5
vmovapd ymmword ptr [rdi + 32], ymm10
vfmadd231pd ymm8, ymm3, ymm5
vmovapd ymmword ptr [rdi - 32], ymm8
vmovapd ymm12, ymmword ptr [rdx + 160]
vmovapd ymm15, ymm4
vfmadd213pd ymm15, ymm12, ymmword ptr [rcx - 32]
vmovapd ymm11, ymmword ptr [rcx - 32]
vsubpd ymm9, ymm11, ymm15
vfmadd231pd ymm9, ymm4, ymm12
vfmsub213pd ymm15, ymm5, ymmword ptr [rcx + 96]
vmovapd ymm10, ymm14
vfmadd132pd ymm10, ymm6, ymm5
vfmadd231pd ymm10, ymm15, ymm2
vaddpd ymm3, ymm10, ymm0
vsubpd ymm8, ymm3, ymm0
vfmsub132pd ymm15, ymm8, ymm2
vaddpd ymm11, ymm15, ymm6
vfmadd231pd ymm11, ymm14, ymm5
vfmadd231pd ymm9, ymm5, ymmword ptr [rcx + 256]
vfmadd231pd ymm7, ymm5, ymmword ptr [rcx + 160]
vmovapd ymm12, ymm9
vfmadd132pd ymm12, ymm7, ymm2
vaddpd ymm4, ymm12, ymm0
vsubpd ymm10, ymm4, ymm0
vfmsub132pd ymm9, ymm10, ymm2
vaddpd ymm3, ymm9, ymm7
vfmadd231pd ymm11, ymm10, ymm5
vmovapd ymmword ptr [rdi + 160], ymm11
vfmadd231pd ymm3, ymm13, ymm5
vmovapd ymmword ptr [rdi + 96], ymm3
vfmadd231pd ymm1, ymm8, ymmword ptr [rcx + 64]
vmovapd ymmword ptr [rdi - 96], ymm1
ret
.p2align 6
