package core
import "testing"
func TestZZ(t *testing.T) {
	ok := 0
	for i, l := range []load{{clients: 8, operations: 15, keys: 1, writes: 60, think: 8e6, patience: 200e6}, {clients: 4, operations: 30, keys: 1, writes: 30, think: 30e6, patience: 120e6}} {
	for seed := range 2500 { o := simulate(t, uint64(1000000*(i+1)+seed), abd(t), everyFault, l); ok += o.ok; if !o.linear { t.Fatal(seed) } }
	}
	t.Log(ok)
}
