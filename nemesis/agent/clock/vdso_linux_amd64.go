package clock

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/arch/x86/x86asm"
	"golang.org/x/sys/unix"
)

// auxVDSO is AT_SYSINFO_EHDR of the auxiliary vector: where the vDSO is.
const auxVDSO = 33

var errNoVDSO = errors.New("the program has no vDSO (was the kernel started with vdso=0?)")

// jumpLength is the length of the jump that replaces a function's beginning.
const jumpLength = 5

// vdso is the image of the kernel's vDSO, the same for every 64-bit process of
// one kernel; addresses are relative to its beginning.
type vdso struct {
	image []byte
	// functions are the functions to replace, where they are and what with.
	functions []vdsoFunction
	// syscall is where the image holds the bytes of a syscall instruction.
	syscall uint64
}

type vdsoFunction struct {
	name        string
	at          uint64
	replacement uint64 // in the code of asm/
}

// clockGettime is the function that the replacements call; parseVDSO puts it first.
func (v *vdso) clockGettime() uint64 { return v.functions[0].at }

// ownVDSO reads the vDSO of this process, which nobody has patched: an exec
// maps a fresh one, and only ModeExec's command is ever patched.
func ownVDSO() (*vdso, error) {
	auxv, err := unix.Auxv()
	if err != nil {
		return nil, fmt.Errorf("read the auxiliary vector: %w", err)
	}
	for _, a := range auxv {
		if a[0] == auxVDSO && a[1] != 0 {
			return parseVDSO(bytes.Clone(mappedVDSO(a[1])))
		}
	}
	return nil, errNoVDSO
}

// mappedVDSO returns the vDSO that the kernel has mapped at base.
func mappedVDSO(base uintptr) []byte {
	// The address comes from the kernel and is no Go memory, which is what
	// vet's rule about such conversions is for; hence by way of a pointer to it.
	start := *(*unsafe.Pointer)(unsafe.Pointer(&base))
	header := unsafe.Slice((*byte)(start), 64)
	// The section headers are the last thing in the file.
	sections := binary.LittleEndian.Uint64(header[0x28:])
	size, count := binary.LittleEndian.Uint16(header[0x3a:]), binary.LittleEndian.Uint16(header[0x3c:])
	return unsafe.Slice((*byte)(start), sections+uint64(size)*uint64(count))
}

func parseVDSO(image []byte) (*vdso, error) {
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return nil, fmt.Errorf("parse the vDSO: %w", err)
	}
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return nil, fmt.Errorf("read the vDSO's symbols: %w", err)
	}
	var start uint64
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD {
			start = p.Vaddr - p.Off
			break
		}
	}
	v := &vdso{image: image}
	for _, want := range []vdsoFunction{
		{name: "__vdso_clock_gettime", replacement: codeClockGettime},
		{name: "__vdso_gettimeofday", replacement: codeGettimeofday},
		{name: "__vdso_time", replacement: codeTime},
	} {
		for _, s := range symbols {
			if s.Name != want.name || elf.ST_TYPE(s.Info) != elf.STT_FUNC {
				continue
			}
			want.at = s.Value - start
			if want.at+8 > uint64(len(image)) || s.Size < jumpLength {
				return nil, fmt.Errorf("the vDSO's %s cannot be replaced: %d bytes at %#x", s.Name, s.Size, want.at)
			}
			v.functions = append(v.functions, want)
		}
	}
	if len(v.functions) == 0 || v.functions[0].replacement != codeClockGettime {
		return nil, errors.New("the vDSO has no __vdso_clock_gettime")
	}
	text := f.Section(".text")
	if text == nil || text.Offset+text.Size > uint64(len(image)) {
		return nil, errors.New("the vDSO has no code")
	}
	i := bytes.Index(image[text.Offset:text.Offset+text.Size], []byte{0x0f, 0x05})
	if i < 0 {
		return nil, errors.New("the vDSO has no syscall instruction")
	}
	v.syscall = text.Offset + uint64(i)
	return v, nil
}

// displaced returns the whole instructions at the beginning of the function at
// the offset that a jump there destroys. It returns an error if they would not
// do the same at another address.
func (v *vdso) displaced(at uint64) ([]byte, error) {
	return movable(v.image[at:])
}

func movable(code []byte) ([]byte, error) {
	n := 0
	for n < jumpLength {
		rest := code[n:]
		if bytes.HasPrefix(rest, []byte{0xf3, 0x0f, 0x1e, 0xfa}) { // endbr64, which x86asm does not know
			n += 4
			continue
		}
		in, err := x86asm.Decode(rest, 64)
		if err != nil {
			return nil, fmt.Errorf("instruction at +%d: %w", n, err)
		}
		if in.PCRel != 0 {
			return nil, fmt.Errorf("%v at +%d is relative to its address", in, n)
		}
		switch in.Op {
		case x86asm.RET, x86asm.JMP, x86asm.CALL, x86asm.SYSCALL, x86asm.INT, x86asm.UD2:
			return nil, fmt.Errorf("%v at +%d leaves the function", in, n)
		}
		for _, a := range in.Args {
			if m, ok := a.(x86asm.Mem); ok && m.Base == x86asm.RIP {
				return nil, fmt.Errorf("%v at +%d is relative to its address", in, n)
			}
		}
		n += in.Len
	}
	return code[:n], nil
}
