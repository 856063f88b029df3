package process

import (
	"encoding/json"
	"sync"
)

// reporter sends whole lines from several goroutines.
type reporter struct {
	mu      sync.Mutex
	encoder *json.Encoder
}

func (r *reporter) send(m any) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.encoder.Encode(m)
}
