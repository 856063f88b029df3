package history_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"olympos.io/encoding/edn"
	"pgregory.net/rapid"

	"github.com/refute-lab/refute/harness/history"
)

func readText(t require.TestingT, text string) ([]string, history.Summary) {
	var shown []string
	summary, err := history.ReadOperations(context.Background(), strings.NewReader(text), history.Options{Format: history.FormatEDN}, func(op *history.Operation) bool {
		shown = append(shown, show(op))
		return true
	})
	require.NoError(t, err, "%s", text)
	return shown, summary
}

// Whatever an EDN encoder writes, in the fields that matter and in those that
// don't, the operations are the same.
func TestEDNFromAnEncoderIsRead(t *testing.T) {
	junk := rapid.Custom(drawJunk)
	rapid.Check(t, func(t *rapid.T) {
		keyed := rapid.Bool().Draw(t, "keyed")
		wrap := func(v any) any {
			if keyed {
				return []any{int64(9), v}
			}
			return v
		}
		var text bytes.Buffer
		var want []string
		inVector := rapid.Bool().Draw(t, "in a vector")
		if inVector {
			text.WriteString("[")
		}
		write := func(kind, f string, value any) {
			// A map would be written in another order each time.
			var encoded []byte
			for _, field := range rapid.Permutation([]any{edn.Keyword("process"), edn.Keyword("type"), edn.Keyword("f"),
				edn.Keyword("value"), edn.Keyword("other"), "text key"}).Draw(t, "fields") {
				var content any
				switch field {
				case edn.Keyword("process"):
					content = 0
				case edn.Keyword("type"):
					content = edn.Keyword(kind)
				case edn.Keyword("f"):
					content = edn.Keyword(f)
				case edn.Keyword("value"):
					content = wrap(value)
				default:
					content = junk.Draw(t, "content")
				}
				for _, v := range []any{field, content} {
					form, err := edn.Marshal(v)
					require.NoError(t, err)
					encoded = append(append(encoded, form...), ' ')
				}
			}
			encoded = append(append([]byte("{"), encoded...), '}')
			if rapid.Bool().Draw(t, "compact") {
				var compact bytes.Buffer
				require.NoError(t, edn.Compact(&compact, encoded))
				encoded = compact.Bytes()
			}
			text.WriteString(rapid.SampledFrom([]string{"", "#op", "#jepsen.history.Op", "#a/b #c ", "#_[1 2]", "#_ #_ 1 {} ", ";{:x\n"}).Draw(t, "before"))
			if rapid.Bool().Draw(t, "pretty") {
				var pretty bytes.Buffer
				require.NoError(t, edn.PPrint(&pretty, encoded, nil))
				encoded = pretty.Bytes()
			}
			text.Write(encoded)
			text.WriteString(rapid.SampledFrom([]string{"", "\n", " , ", "; }\n"}).Draw(t, "after"))
		}
		key := ""
		if keyed {
			key = " 9"
		}
		n := rapid.IntRange(1, 5).Draw(t, "operations")
		for i := range n {
			a, b := rapid.Int64().Draw(t, "a"), rapid.Int64().Draw(t, "b")
			index := 2 * i
			switch rapid.IntRange(0, 2).Draw(t, "f") {
			case 0:
				write("invoke", "read", nil)
				write("ok", "read", a)
				want = append(want, sprint(index, "read", key, "-", a))
			case 1:
				write("invoke", "w", a)
				write("ok", "w", a)
				want = append(want, sprint(index, "write", key, a, a))
			case 2:
				write("invoke", "cas", []any{a, b})
				write("ok", "cas", []any{a, b})
				want = append(want, sprint(index, "cas", key, []int64{a, b}, []int64{a, b}))
			}
		}
		if inVector {
			text.WriteString("]")
		}
		got, summary := readText(t, text.String())
		require.Equal(t, want, got, "%s", text.String())
		require.Empty(t, summary.Warnings)
	})
}

func sprint(index int, f, key string, input, output any) string {
	return fmt.Sprintf("%d/%d p0 %s%s %v → %v ok %d…%d", index, index+1, f, key, input, output, index, index+1)
}

// drawJunk draws something that stands in a field which is not needed.
func drawJunk(t *rapid.T) any {
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 0:
		return rapid.String().Draw(t, "text")
	case 1:
		return edn.Rune(rapid.SampledFrom([]rune{'{', '"', '\\', ']', 'a', '\n'}).Draw(t, "rune"))
	case 2:
		return map[any]any{rapid.String().Draw(t, "key"): drawJunk(t)}
	case 3:
		return edn.Tag{Tagname: "object", Value: []any{drawJunk(t), edn.Symbol("a.b.C")}}
	case 4:
		return map[int]bool{1: true}
	}
	return rapid.Float64Range(-1e6, 1e6).Draw(t, "number")
}

// Forms that Clojure prints and other EDN readers refuse.
func TestEDNThatOnlyClojureWrites(t *testing.T) {
	got, _ := readText(t, `#jepsen.history.Op{:process 0 :type :invoke :f :read :value nil :x #"a\"}" :y ##Inf `+
		`:z #{#{1} {} "}"} \} \{ :at #inst "2020" :ex #object[a.b.C 0x1 "{"] #{1} #{2}}`)
	assert.Equal(t, []string{"0/-1 p0 read - → - info 0…∞"}, got)
}

// A value is taken for [key value] only where it cannot be the value itself.
func TestWhatIsAKey(t *testing.T) {
	for invoked, want := range map[string]string{
		`:f :read :value nil`:                     `read - → -`,
		`:f :read :value [1 nil]`:                 `read 1 - → -`,
		`:f :read :value [:k nil]`:                `read k - → -`,
		`:f :read :value ["a b" nil]`:             `read a b - → -`,
		`:f :read :value [3 4]`:                   `read [3 4] → -`,
		`:f :read :value [1 [nil nil]]`:           `read 1 - → -`,
		`:f :read`:                                `read - → -`,
		`:f :write :value 5`:                      `write 5 → -`,
		`:f :write :value [1 5]`:                  `write 1 5 → -`,
		`:f :write :value [1 "v"]`:                `write 1 "v" → -`,
		`:f :write :value [1 2 3]`:                `write [1 2 3] → -`,
		`:f :write :value 5 :key "k"`:             `write k 5 → -`,
		`:f :add :value [1 5]`:                    `add 1 5 → -`,
		`:f :cas :value [1 5]`:                    `cas [1 5] → -`,
		`:f :cas :value [nil 5]`:                  `cas [null,5] → -`,
		`:f :cas :value [7 [1 5]]`:                `cas 7 [1 5] → -`,
		`:f :cas :value [7 [nil [1 5]]]`:          `cas 7 [1 5] → -`,
		`:f :txn :value [[:r 1 nil]]`:             `txn [["r","1",null]] → -`,
		`:f :txn :value [[:r 1 nil] [:w 1 2]]`:    `txn [["r","1",null],["w","1",2]] → -`,
		`:f :txn :value [[:append :x 1]]`:         `txn [["append","x",1]] → -`,
		`:f :txn :value [[:read "x" [1 2]]]`:      `txn [["r","x",[1,2]]] → -`,
		`:f :txn :value [[:r x]]`:                 `txn [["r","x",null]] → -`,
		`:f :txn :value ([:r x 1] [:w y nil])`:    `txn [["r","x",1],["w","y",null]] → -`,
		`:f :read :value [[:r 0 nil] [:r 1 nil]]`: `txn [["r","0",null],["r","1",null]] → -`,
		`:f nil :value [[:write x 1]]`:            `txn [["w","x",1]] → -`,
		`:value [[:w x 1]]`:                       `txn [["w","x",1]] → -`,
		`:f :txn :value [[:cas x [1 2]] :odd]`:    `txn [["cas","x",[1,2]],"odd"] → -`,
		`:f :write :value 99999999999999999999`:   `write 99999999999999999999 → -`,
		`:f :write :value 1.5`:                    `write 1.5 → -`,
		`:f :write :value 2.50M`:                  `write 2.50 → -`,
		`:f :write :value 1/3`:                    `write "1/3" → -`,
		`:f :write :value {:a [1 "b"] "c" nil}`:   `write {"a":[1,"b"],"c":null} → -`,
		`:f :write :value {[1] 2}`:                `write "{[1] 2}" → -`,
		`:f :write :value {:a 1 "a" 2}`:           `write "{:a 1 \"a\" 2}" → -`,
		`:f :delete :value nil`:                   `delete - → -`,
		`:f :delete :value [:k nil]`:              `delete k - → -`,
		`:f :dequeue :value nil`:                  `dequeue - → -`,
		`:f :enqueue :value [:k 3]`:               `enqueue k 3 → -`,
		`:f :append :key "0" :value "x 0 0 y"`:    `append 0 "x 0 0 y" → -`,
		`:f :put :key "0" :value ""`:              `write 0 "" → -`,
		`:f :get :key "0" :value nil`:             `read 0 - → -`,
		`:f :write :key "k" :value [1 2]`:         `write k [1 2] → -`,
		`:f :read :key "" :value nil`:             `read - → -`,
		`:f :write :value 5N`:                     `write 5 → -`,
		`:f :write :value true`:                   `write true → -`,
		`:f :write :value :v`:                     `write "v" → -`,
	} {
		got, _ := readText(t, `{:process 0 :type :invoke `+invoked+`}`)
		assert.Equal(t, []string{"0/-1 p0 " + want + " info 0…∞"}, got, invoked)
	}
}

func TestALongErrorIsClipped(t *testing.T) {
	got, _ := readText(t, `{:process 0 :type :invoke :f :read :value nil}{:process 0 :type :info :f :read :value nil :error ["`+strings.Repeat("stack\n é", 10_000)+`"]}`)
	require.Len(t, got, 1)
	assert.Less(t, len(got[0]), 400)
	assert.Contains(t, got[0], "bytes)")
}

// Elle's own examples lack :process and :f; long forks are called reads.
func TestTransactionsByWhateverName(t *testing.T) {
	got, _ := readText(t, `
{:index 0 :type :invoke :value [[:append 1 2] [:r 3 nil]]}
{:index 1 :type :ok     :value [[:append 1 2] [:r 3 [4 5]]]}
{:index 2 :type :invoke :f :read, :value [[:r 3 nil]]}
{:index 3 :type :fail :f :read :value nil}`)
	assert.Equal(t, []string{
		`0/1 p0 txn [["append","1",2],["r","3",null]] → [["append","1",2],["r","3",[4,5]]] ok 0…1`,
		`2/3 p0 txn [["r","3",null]] → nil fail 2…3`,
	}, got)
	_, err := history.ReadOperations(context.Background(), strings.NewReader(`
{:type :invoke :value [[:r 3 nil]]}
{:type :invoke :value [[:r 3 nil]]}`), history.Options{}, func(*history.Operation) bool { return true })
	require.ErrorIs(t, err, history.ErrOpen)
}

func TestANemesisThatFailedIsNotDone(t *testing.T) {
	got, _ := readText(t, `
{:process :nemesis :type :info :f :kill :value :all}
{:process :nemesis :type :info :f :kill :value nil :error "no route to host"}
{:process 0 :type :invoke :f :read :value nil}`)
	assert.Equal(t, `0/1 p-1 kill "all" → nil info 0…∞ (no route to host)`, got[0])
}

func TestAnInfiniteFaultOfJepsenStaysOpen(t *testing.T) {
	got, _ := readText(t, `
{:process :nemesis :type :info :f :kill :value :all}
{:process :nemesis :type :info :f :start :value nil}
{:process :nemesis :type :info :f :kill :value {"n1" :killed}}
{:process 0 :type :invoke :f :read :value nil}`)
	assert.Equal(t, []string{
		`0/2 p-1 kill "all" → {"n1":"killed"} ok 0…2`,
		`1/-1 p-1 start nil → - info 1…∞`,
		`3/-1 p0 read - → - info 3…∞`,
	}, got)
}
