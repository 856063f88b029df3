# The code that a patched vDSO jumps to instead of its own clock_gettime,
# gettimeofday and time. gen.sh assembles it; the program that embeds it copies
# it into a page of the target and fills in two places:
#
#   control_ref  the 32-bit displacement of the one `lea`, so that it yields the
#                address of the control page, wherever that is within 2 GiB
#   original     how to reach the kernel's clock_gettime: its first instructions,
#                which the jump displaced, and a jump to the rest; or else a
#                plain system call
#
# It is position independent and has no data. It uses only registers that the
# System V ABI lets a function destroy, and keeps the stack aligned.
#
# Control page (all little endian; page_linux.go writes it):
#   u32 counter at 0; slot number counter mod 16 is in force
#   16 slots of 64 bytes from 64: i64 base, offset, rate (32 fractional bits), period, delta
#
#   skewed = real + offset + ((real - base) * rate >> 32)
#                 + (delta, if period > 0 and (real - base) / period is even)

        .text

        .set    NANOS, 1000000000

# int clock_gettime(clockid_t edi, struct timespec *rsi)
clock_gettime:
        # Of the clocks 0..11, those that tell wall time: REALTIME 0,
        # REALTIME_COARSE 5, REALTIME_ALARM 8, TAI 11. Unsigned, so that
        # the negative numbers (CPU clocks, dynamic clocks) go past too.
        cmp     $11, %edi
        ja      original
        mov     $(1<<0 | 1<<5 | 1<<8 | 1<<11), %eax
        bt      %edi, %eax
        jnc     original

        push    %rsi
        call    original
        pop     %rsi
        test    %eax, %eax
        jnz     .Lreturn                # an error: nothing was stored

        imulq   $NANOS, (%rsi), %r8
        add     8(%rsi), %r8            # r8 = real, in nanoseconds
control_ref:
        lea     control_page(%rip), %r9

.Lread: mov     (%r9), %ecx             # ecx = counter
        mov     %ecx, %r10d
        and     $15, %r10d
        shl     $6, %r10d
        lea     64(%r9,%r10), %r10      # r10 = slot
        mov     %r8, %rax
        sub     (%r10), %rax            # real - base
        imulq   16(%r10)                # rdx:rax = it times the rate
        shrd    $32, %rdx, %rax
        add     8(%r10), %rax
        mov     %rax, %rdi              # rdi = skew so far
        # The period is loaded once: the slot can be overwritten under us
        # (noticed below), and a zero must not get to the division.
        mov     24(%r10), %r11
        test    %r11, %r11
        jle     .Lcheck
        mov     %r8, %rax
        sub     (%r10), %rax
        cqto
        idivq   %r11
        test    $1, %al
        jnz     .Lcheck
        add     32(%r10), %rdi
.Lcheck:
        # The writer fills the next slot and then publishes it. Only if the
        # counter has moved can this slot have been written meanwhile.
        cmp     (%r9), %ecx
        jne     .Lread

        lea     (%r8,%rdi), %rax
        test    %rax, %rax
        jns     .Lstore
        xor     %eax, %eax              # before the epoch: show the epoch
.Lstore:
        xor     %edx, %edx
        mov     $NANOS, %ecx
        div     %rcx
        mov     %rax, (%rsi)
        mov     %rdx, 8(%rsi)
        xor     %eax, %eax
.Lreturn:
        ret

# int gettimeofday(struct timeval *rdi, struct timezone *rsi)
        .p2align 4
gettimeofday:
        push    %rbx
        push    %rbp
        sub     $24, %rsp
        mov     %rdi, %rbx
        mov     %rsi, %rbp
        test    %rdi, %rdi
        jz      .Lzone
        xor     %edi, %edi              # CLOCK_REALTIME
        mov     %rsp, %rsi
        call    clock_gettime
        mov     (%rsp), %rax
        mov     %rax, (%rbx)
        mov     8(%rsp), %rax
        xor     %edx, %edx
        mov     $1000, %ecx
        div     %rcx
        mov     %rax, 8(%rbx)
.Lzone: xor     %eax, %eax
        test    %rbp, %rbp
        jz      .Ldone
        xor     %edi, %edi              # the time zone alone: ask the kernel
        mov     %rbp, %rsi
        mov     $96, %eax               # SYS_gettimeofday
        syscall
.Ldone: add     $24, %rsp
        pop     %rbp
        pop     %rbx
        ret

# time_t time(time_t *rdi)
        .p2align 4
time:
        push    %rbx
        sub     $16, %rsp
        mov     %rdi, %rbx
        xor     %edi, %edi              # CLOCK_REALTIME
        mov     %rsp, %rsi
        call    clock_gettime
        mov     (%rsp), %rax
        test    %rbx, %rbx
        jz      .Lnull
        mov     %rax, (%rbx)
.Lnull: add     $16, %rsp
        pop     %rbx
        ret

# Filled in when the target is patched; int3 until then.
        .p2align 4
original:
        .fill   32, 1, 0xcc
control_page:
