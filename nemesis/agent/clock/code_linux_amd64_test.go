package clock

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/arch/x86/x86asm"
	"pgregory.net/rapid"
)

// The constants of the page's layout stand in two languages.
func TestCodeMatchesTheLayout(t *testing.T) {
	require.Len(t, skewCode, codeSize)
	assert.Equal(t, bytes.Repeat([]byte{0xcc}, codeSize-codeOriginal), skewCode[codeOriginal:])
	assert.GreaterOrEqual(t, codeSize-codeOriginal, len(plainSyscall))
	assert.LessOrEqual(t, codeSize, pageSize)

	ref, err := x86asm.Decode(skewCode[codeControlRef:], 64)
	require.NoError(t, err)
	assert.Equal(t, x86asm.LEA, ref.Op)
	assert.Equal(t, 7, ref.Len, "the displacement is at +3")
	assert.Equal(t, x86asm.R9, ref.Args[0])
	assert.Equal(t, x86asm.RIP, ref.Args[1].(x86asm.Mem).Base)

	// All accesses to the page go through R9 (the counter) and R10 (the slot).
	var mask, shift x86asm.Imm
	fields := map[int64]int{}
	for at := codeControlRef; at < codeGettimeofday; {
		in, err := x86asm.Decode(skewCode[at:codeOriginal], 64)
		require.NoError(t, err)
		for _, a := range in.Args {
			m, ok := a.(x86asm.Mem)
			switch {
			case ok && m.Base == x86asm.R9 && m.Index == x86asm.R10:
				assert.Equal(t, int64(slotsAt), m.Disp)
			case ok && m.Base == x86asm.R9:
				assert.Equal(t, int64(0), m.Disp)
			case ok && m.Base == x86asm.R10:
				fields[m.Disp]++
			}
		}
		if in.Op == x86asm.AND && in.Args[0] == x86asm.R10L {
			mask = in.Args[1].(x86asm.Imm)
		}
		if in.Op == x86asm.SHL && in.Args[0] == x86asm.R10L {
			shift = in.Args[1].(x86asm.Imm)
		}
		at += in.Len
	}
	assert.Equal(t, x86asm.Imm(slotCount-1), mask)
	assert.Equal(t, slotSize, 1<<shift)
	assert.Equal(t, map[int64]int{slotBase: 2, slotOffset: 1, slotRate: 1, slotPeriod: 1, slotDelta: 1}, fields)
}

func TestCodeIsReproducible(t *testing.T) {
	for _, tool := range []string{"as", "objcopy", "objdump", "nm", "awk"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("binutils are missing:", err)
		}
	}
	folder := t.TempDir()
	out, err := exec.Command("asm/gen.sh", folder).CombinedOutput()
	require.NoError(t, err, "%s", out)
	code, err := os.ReadFile(filepath.Join(folder, "skew_amd64.bin"))
	require.NoError(t, err)
	assert.Equal(t, code, skewCode)
	layout, err := os.ReadFile(filepath.Join(folder, "layout_linux_amd64.go"))
	require.NoError(t, err)
	committed, err := os.ReadFile("layout_linux_amd64.go")
	require.NoError(t, err)
	assert.Equal(t, string(committed), string(layout))
}

// The machine code and Skew.At must agree to the last bit, for any numbers.
func TestCodeComputesAsAtDoes(t *testing.T) {
	program := compileC(t, "testdata/c/code.c")
	anything := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-1_000_000, 1_000_000),
		rapid.Int64Range(now-now/10, now+now/10), rapid.SampledFrom([]int64{0, 1, -1, -1 << 63, 1<<63 - 1}))
	wall := map[int64]bool{0: true, 5: true, 8: true, 11: true} // the clocks that are skewed
	rapid.Check(t, func(t *rapid.T) {
		var input bytes.Buffer
		var want []int64
		for range 200 {
			id := rapid.SampledFrom([]int64{0, 0, 0, 5, 8, 11, 1, 2, 3, 4, 6, 7, 9, 10, 12, 31, -1, -6}).Draw(t, "clock")
			real := rapid.Int64Range(0, 4*now).Draw(t, "real")
			s := Skew{anything.Draw(t, "base"), anything.Draw(t, "offset"), anything.Draw(t, "rate"),
				anything.Draw(t, "period"), anything.Draw(t, "delta")}
			require.NoError(t, binary.Write(&input, binary.LittleEndian, []int64{id, real, s.Base, s.Offset, s.Rate, s.Period, s.Delta}))
			shown := real
			if wall[id] {
				shown = s.At(real)
			}
			want = append(want, shown/1e9, shown%1e9)
		}
		got := make([]int64, len(want))
		cmd := exec.Command(program, "asm/skew_amd64.bin", strconv.Itoa(codeControlRef), strconv.Itoa(codeOriginal), strconv.Itoa(codeSize))
		cmd.Stdin = &input
		out, err := cmd.Output()
		require.NoError(t, err)
		require.NoError(t, binary.Read(bytes.NewReader(out), binary.LittleEndian, got))
		require.Equal(t, want, got)
	})
}

func compileC(t testing.TB, source string, flags ...string) string {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("no C compiler:", err)
	}
	program := filepath.Join(t.TempDir(), "program")
	out, err := exec.Command("gcc", append(flags, "-O1", "-Wall", "-o", program, source)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

func TestMovable(t *testing.T) {
	for name, c := range map[string]struct {
		code []byte
		want int // length, 0 if it cannot be moved
	}{
		"push, mov":              {[]byte{0x55, 0x48, 0x89, 0xe5, 0x41, 0x57}, 6},
		"endbr64, cmp":           {[]byte{0xf3, 0x0f, 0x1e, 0xfa, 0x83, 0xff, 0x17, 0x90}, 7},
		"exactly five":           {[]byte{0xb8, 1, 0, 0, 0, 0x90}, 5},
		"short conditional jump": {[]byte{0x83, 0xff, 0x17, 0x77, 0x10, 0x90}, 0},
		"call":                   {[]byte{0xe8, 0, 0, 0, 0}, 0},
		"already patched":        {[]byte{0xe9, 0, 0, 0, 0}, 0},
		"lea from rip":           {[]byte{0x48, 0x8d, 0x05, 1, 0, 0, 0}, 0},
		"return too early":       {[]byte{0x31, 0xc0, 0xc3, 0x90, 0x90, 0x90}, 0},
		"system call":            {[]byte{0x31, 0xc0, 0x0f, 0x05, 0xc3, 0x90}, 0},
		"jump to a register":     {[]byte{0x31, 0xc0, 0xff, 0xe0, 0x90, 0x90}, 0},
		"garbage":                {[]byte{0x06, 0x06, 0x06, 0x06, 0x06, 0x06}, 0},
	} {
		got, err := movable(c.code)
		if c.want == 0 {
			assert.Error(t, err, name)
			continue
		}
		if assert.NoError(t, err, name) {
			assert.Len(t, got, c.want, name)
		}
	}
}

// Were it not so, patched programs would be skewed, but slow.
func TestThisKernelsFunctionCanBeMoved(t *testing.T) {
	p, err := newPatcher("/page")
	require.NoError(t, err)
	assert.NotNil(t, p.displaced)
	assert.Len(t, p.vdso.functions, 3)
}
