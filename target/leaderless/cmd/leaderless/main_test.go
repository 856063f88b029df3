package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestFirstIncarnationsGrowWithTheTime(t *testing.T) {
	at := time.Date(2026, 11, 26, 6, 0, 0, 0, time.UTC)
	first := firstIncarnation(at)
	assert.Greater(t, firstIncarnation(at.Add(time.Second)), first+10, "a node may have started ten times meanwhile")
	assert.Equal(t, uint32(1), firstIncarnation(time.Unix(0, 0)), "a clock that is wrong is no reason not to start")
	assert.Equal(t, uint32(1<<31), firstIncarnation(at.AddDate(200, 0, 0)))
}
