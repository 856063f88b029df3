package clock

import (
	"bytes"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

//go:generate ./asm/gen.sh

//go:embed asm/skew_amd64.bin
var skewCode []byte

// plainSyscall is clock_gettime without the vDSO: mov $SYS_clock_gettime,%eax; syscall; ret.
var plainSyscall = []byte{0xb8, unix.SYS_CLOCK_GETTIME, 0, 0, 0, 0x0f, 0x05, 0xc3}

// reach is how far a jump's 32-bit displacement may lead, with a margin.
const reach = 1<<31 - 1<<20

// userCode64 is the code segment of a 64-bit program (__USER_CS).
const userCode64 = 0x33

// patcher patches programs that have just been executed.
type patcher struct {
	vdso *vdso
	page string
	// displaced are the first instructions of the vDSO's clock_gettime, or nil if
	// they cannot be moved: then the patched program makes a system call instead,
	// which costs some ten times as much.
	displaced []byte
}

// newPatcher returns one that maps the control page at the absolute path page.
func newPatcher(page string) (*patcher, error) {
	if len(page) >= pageSize {
		return nil, fmt.Errorf("the control page's path is too long: %d bytes", len(page))
	}
	v, err := ownVDSO()
	if err != nil {
		return nil, err
	}
	p := &patcher{vdso: v, page: page}
	if moved, err := v.displaced(v.clockGettime()); err == nil && len(moved)+jumpLength <= codeSize-codeOriginal {
		p.displaced = moved
	}
	return p, nil
}

// patchAtExec patches the program of a process that is in its exec stop, and
// leaves it stopped before its first instruction. It returns errEnded if the
// process was killed meanwhile. After any other error the program must not run.
// await is the tracee's.
func (p *patcher) patchAtExec(tid int, await func() (unix.WaitStatus, error)) (*tracee, error) {
	t := &tracee{tid: tid, await: await}
	// In the exec stop the kernel has still to store execve's result into a
	// register: go on to the end of the system call.
	if err := ptrace(unix.PTRACE_SYSCALL, tid, 0, 0); err != nil {
		return t, ended(err)
	}
	ws, err := waitFor(tid)
	switch {
	case err != nil:
		return t, ended(err)
	case !ws.Stopped():
		return t, errEnded
	case stopEvent(ws) != 0 || ws.StopSignal() != syscallStop:
		return t, fmt.Errorf("process %d stopped in an unexpected way after exec: %#x", tid, int(ws))
	}
	return t, ended(p.patch(t))
}

func ended(err error) error {
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ECHILD) {
		return errEnded
	}
	return err
}

func (p *patcher) patch(t *tracee) error {
	var regs unix.PtraceRegsAmd64
	if err := unix.PtraceGetRegsAmd64(t.tid, &regs); err != nil {
		return fmt.Errorf("registers of process %d: %w", t.tid, err)
	}
	if regs.Cs != userCode64 {
		return errors.New("it is no 64-bit program")
	}
	base, err := t.vdsoBase(regs.Rsp)
	if err != nil {
		return err
	}
	t.syscall = base + p.vdso.syscall
	if err := p.compare(t, base); err != nil {
		return err
	}
	code, err := p.mapPages(t, base)
	if err != nil {
		return err
	}
	if err := t.poke(code, p.code(code, base)); err != nil {
		return err
	}
	for _, f := range p.vdso.functions {
		at := base + f.at
		jump := appendJump(nil, at, code+f.replacement)
		if err := t.poke(at, jump); err != nil {
			return err
		}
		got := make([]byte, len(jump))
		if err := t.peek(at, got); err != nil {
			return err
		}
		if !bytes.Equal(got, jump) {
			return fmt.Errorf("%s kept its old code", f.name)
		}
	}
	return nil
}

// compare looks whether the tracee's vDSO is the same as ours, at the places
// that matter.
func (p *patcher) compare(t *tracee, base uint64) error {
	for _, f := range p.vdso.functions {
		got := make([]byte, 8)
		if err := t.peek(base+f.at, got); err != nil {
			return err
		}
		if !bytes.Equal(got, p.vdso.image[f.at:f.at+8]) {
			return fmt.Errorf("its vDSO is not the one expected: %s differs", f.name)
		}
	}
	return nil
}

// mapPages maps two pages near the tracee's vDSO: one for the code, and after it
// the control page. It returns the address of the first.
func (p *patcher) mapPages(t *tracee, base uint64) (uint64, error) {
	code, err := p.mapNear(t, base)
	if err != nil {
		return 0, err
	}
	if err := t.poke(code, append([]byte(p.page), 0)); err != nil {
		return 0, err
	}
	here := int64(unix.AT_FDCWD)
	fd, err := t.inject(unix.SYS_OPENAT, uint64(here), code, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("open the control page %s there: %w", p.page, err)
	}
	_, err = t.inject(unix.SYS_MMAP, code+pageSize, pageSize, unix.PROT_READ, unix.MAP_SHARED|unix.MAP_FIXED, fd, 0)
	if err != nil {
		return 0, fmt.Errorf("map the control page there: %w", err)
	}
	if _, err := t.inject(unix.SYS_CLOSE, fd); err != nil {
		return 0, err
	}
	mark := make([]byte, len(pageMagic))
	if err := t.peek(code+pageSize+magicAt, mark); err != nil {
		return 0, fmt.Errorf("read the control page there: %w", err)
	}
	if string(mark) != pageMagic {
		return 0, fmt.Errorf("%s there: %w", p.page, ErrNotAPage)
	}
	return code, nil
}

// mapNear maps the anonymous pages that mapPages needs.
func (p *patcher) mapNear(t *tracee, base uint64) (uint64, error) {
	end := (base + uint64(len(p.vdso.image)) + pageSize - 1) &^ (pageSize - 1)
	// Above the vDSO there is nothing that grows. Below it is the stack, which
	// must keep the room that its limit grants.
	hints := []uint64{end + 1<<20, end + 16<<20, end + 256<<20, base - 1<<30, base - 3<<29, base - 1<<28}
	var last error
	for _, hint := range hints {
		at, err := t.inject(unix.SYS_MMAP, hint&^(pageSize-1), 2*pageSize, unix.PROT_READ|unix.PROT_EXEC,
			unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED_NOREPLACE, ^uint64(0), 0)
		if err != nil {
			if last = err; errors.Is(ended(err), errEnded) {
				return 0, err
			}
			continue
		}
		if distance := int64(at - base); distance < reach && distance > -reach {
			return at, nil
		}
		// A kernel before 4.17 takes the address for a mere hint.
		if _, err := t.inject(unix.SYS_MUNMAP, at, 2*pageSize); err != nil {
			return 0, err
		}
		last = fmt.Errorf("got %#x", at)
	}
	return 0, fmt.Errorf("no room for two pages near its vDSO at %#x: %w", base, last)
}

// code returns the code for a tracee that has its vDSO at base, to be stored at
// the address at, with the control page right behind.
func (p *patcher) code(at, base uint64) []byte {
	code := bytes.Clone(skewCode)
	// lea displacement(%rip), %r9: 3 bytes, then the displacement from the instruction's end.
	next := at + codeControlRef + 7
	binary.LittleEndian.PutUint32(code[codeControlRef+3:], uint32(at+pageSize-next))
	original := plainSyscall
	if p.displaced != nil {
		n := uint64(len(p.displaced))
		original = appendJump(bytes.Clone(p.displaced), at+codeOriginal+n, base+p.vdso.clockGettime()+n)
	}
	copy(code[codeOriginal:], original)
	return code
}

// appendJump appends jmp to, for execution at the address at.
func appendJump(b []byte, at, to uint64) []byte {
	return binary.LittleEndian.AppendUint32(append(b, 0xe9), uint32(to-at-jumpLength))
}
