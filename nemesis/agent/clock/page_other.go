//go:build !linux

package clock

// Page is a control page; here there are none.
type Page struct{}

// CreatePage returns ErrUnsupported.
func CreatePage(string) (*Page, error) { return nil, ErrUnsupported }

// OpenPage returns ErrUnsupported.
func OpenPage(string) (*Page, error) { return nil, ErrUnsupported }

// OpenPageReadOnly returns ErrUnsupported.
func OpenPageReadOnly(string) (*Page, error) { return nil, ErrUnsupported }

// Set does nothing.
func (p *Page) Set(Skew) {}

// Get returns the zero Skew.
func (p *Page) Get() Skew { return Skew{} }

// Close does nothing.
func (p *Page) Close() error { return nil }
