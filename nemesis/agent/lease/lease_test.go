package lease

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

type ending struct {
	fault string
	err   error
	at    time.Duration
}

// table records what it undoes; fail is how often undoing fails first.
func table(fail int64) (*Table, *[]ending, *atomic.Int64) {
	began := time.Now()
	var endings []ending
	var undone atomic.Int64
	t := New(func(string) error {
		if undone.Add(1) <= fail {
			return errors.New("not yet")
		}
		return nil
	}, func(fault string, err error) { endings = append(endings, ending{fault, err, time.Since(began)}) })
	return t, &endings, &undone
}

func TestLeaseRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, endings, _ := table(0)
		l.Grant("f1", time.Second)
		l.Grant("f2", 2*time.Second)
		time.Sleep(time.Second - 1)
		synctest.Wait()
		require.Empty(t, *endings)
		require.True(t, l.Holds("f1"))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		require.Equal(t, []ending{{"f1", nil, time.Second}, {"f2", nil, 2 * time.Second}}, *endings)
		require.False(t, l.Holds("f1"))
	})
}

func TestRenewedAndEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, endings, undone := table(0)
		l.Grant("f1", time.Second)
		l.Grant("f2", time.Second)
		l.Grant("f3", time.Second)
		time.Sleep(500 * time.Millisecond)
		require.NoError(t, l.Renew("f1", time.Second))
		l.End("f2")
		l.Grant("f3", 100*time.Millisecond)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Equal(t, []ending{{"f3", nil, 600 * time.Millisecond}, {"f1", nil, 1500 * time.Millisecond}}, *endings)
		require.EqualValues(t, 2, undone.Load(), "an ended lease is not undone")
		require.ErrorContains(t, l.Renew("f1", time.Second), "no lease")
		l.Grant("f4", time.Second)
		l.EndAll()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Len(t, *endings, 2)
	})
}

func TestUndoingIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, endings, undone := table(3)
		l.Grant("f", time.Second)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []ending{{"f", nil, time.Second + 3*pause}}, *endings)
		require.EqualValues(t, 4, undone.Load())
	})
	synctest.Test(t, func(t *testing.T) {
		l, endings, undone := table(1000)
		l.Grant("f", time.Second)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, *endings, 1)
		require.Error(t, (*endings)[0].err)
		require.EqualValues(t, attempts, undone.Load())
	})
}
