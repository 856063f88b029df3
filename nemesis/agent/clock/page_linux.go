package clock

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The layout of a control page, which the machine code in asm/ knows too: a
// 32-bit counter, this package's mark, and a ring of slots. The counter modulo
// slotCount is the slot in force.
const (
	pageSize   = 4096
	magicAt    = 8
	slotsAt    = 64
	slotSize   = 64
	slotCount  = 16
	slotBase   = 0
	slotOffset = 8
	slotRate   = 16
	slotPeriod = 24
	slotDelta  = 32
)

const pageMagic = "rfclock1"

// Page is a control page: a file that is mapped into every program that it
// skews, and that says by how much. One process writes it; any number read it.
// A Page is safe for concurrent use.
type Page struct {
	mu       sync.Mutex
	mem      []byte
	writable bool
}

// CreatePage creates the control page at path with no skew, readable by every
// user whatever the umask, and opens it for writing. A page that exists is
// opened as it is, its skew included: programs may have it mapped, and a file
// that shrinks or is replaced beneath them would crash or strand them. For the
// same reason, leave the file alone as long as a program uses it.
func CreatePage(path string) (*Page, error) {
	p, err := OpenPage(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return p, err
	}
	// It appears under its name only when it is complete, and never in the
	// place of another: hence a link, not a rename.
	f, err := os.CreateTemp(filepath.Dir(path), ".clock-page-*")
	if err != nil {
		return nil, fmt.Errorf("create clock control page: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := writeEmptyPage(f); err != nil {
		return nil, fmt.Errorf("create clock control page %s: %w", path, err)
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("create clock control page: %w", err)
	}
	return OpenPage(path)
}

func writeEmptyPage(f *os.File) error {
	page := make([]byte, pageSize)
	copy(page[magicAt:], pageMagic)
	if _, err := f.WriteAt(page, 0); err != nil {
		return err
	}
	return f.Chmod(0o644)
}

// OpenPage opens an existing control page for reading and writing. The error
// wraps fs.ErrNotExist or ErrNotAPage.
func OpenPage(path string) (*Page, error) { return openPage(path, true) }

// OpenPageReadOnly opens an existing control page for reading: Set panics on it.
// Errors are those of OpenPage.
func OpenPageReadOnly(path string) (*Page, error) { return openPage(path, false) }

func openPage(path string, writable bool) (*Page, error) {
	flag, prot := os.O_RDONLY, unix.PROT_READ
	if writable {
		flag, prot = os.O_RDWR, unix.PROT_READ|unix.PROT_WRITE
	}
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return nil, fmt.Errorf("open clock control page: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open clock control page: %w", err)
	}
	if !st.Mode().IsRegular() || st.Size() != pageSize {
		return nil, fmt.Errorf("open %s: %w: want a file of %d bytes, it has %d", path, ErrNotAPage, pageSize, st.Size())
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, pageSize, prot, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map clock control page %s: %w", path, err)
	}
	if string(mem[magicAt:magicAt+len(pageMagic)]) != pageMagic {
		_ = unix.Munmap(mem)
		return nil, fmt.Errorf("open %s: %w: its mark is missing", path, ErrNotAPage)
	}
	return &Page{mem: mem, writable: writable}, nil
}

func (p *Page) counter() *uint32 { return (*uint32)(unsafe.Pointer(&p.mem[0])) }

func (p *Page) field(slot uint32, field int) *int64 {
	return (*int64)(unsafe.Pointer(&p.mem[slotsAt+slotSize*int(slot%slotCount)+field]))
}

// Set puts a skew in force, in every program that has the page mapped, from its
// next reading of the clock on. It makes no system call and stops nobody; it
// works while the program is paused too. It panics on a page that is closed or
// was opened for reading.
func (p *Page) Set(s Skew) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.writable {
		panic("clock: Set on a control page that is not open for writing")
	}
	// The next slot is filled before it is published, and one that is in use
	// comes round again only 16 changes later: a reader never sees half a
	// skew, and a writer that dies in here leaves the old one in force.
	next := atomic.LoadUint32(p.counter()) + 1
	atomic.StoreInt64(p.field(next, slotBase), s.Base)
	atomic.StoreInt64(p.field(next, slotOffset), s.Offset)
	atomic.StoreInt64(p.field(next, slotRate), s.Rate)
	atomic.StoreInt64(p.field(next, slotPeriod), s.Period)
	atomic.StoreInt64(p.field(next, slotDelta), s.Delta)
	atomic.StoreUint32(p.counter(), next)
}

// Get returns the skew in force; the zero Skew when the page is closed.
func (p *Page) Get() Skew {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mem == nil {
		return Skew{}
	}
	for {
		i := atomic.LoadUint32(p.counter())
		s := Skew{
			Base:   atomic.LoadInt64(p.field(i, slotBase)),
			Offset: atomic.LoadInt64(p.field(i, slotOffset)),
			Rate:   atomic.LoadInt64(p.field(i, slotRate)),
			Period: atomic.LoadInt64(p.field(i, slotPeriod)),
			Delta:  atomic.LoadInt64(p.field(i, slotDelta)),
		}
		if atomic.LoadUint32(p.counter()) == i {
			return s
		}
	}
}

// Close unmaps the page here. The file and the programs that have it mapped
// are left as they are.
func (p *Page) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mem == nil {
		return nil
	}
	mem := p.mem
	p.mem, p.writable = nil, false
	return unix.Munmap(mem)
}
