package wal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// MaxRecord is the greatest length of a record in bytes.
const MaxRecord = 64 << 20

// headerSize is the length of a frame's header: u32 length, u32 CRC-32C of the
// payload, u32 CRC-32C of these eight bytes; all little-endian.
const headerSize = 12

// castagnoli is the polynomial of CRC-32C (RFC 3720, appendix B.4), for which
// processors have an instruction.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendFrame appends the record with its header to b.
func appendFrame(b, record []byte) []byte {
	start := len(b)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(record)))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(record, castagnoli))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:start+8], castagnoli))
	return append(b, record...)
}

// nextFrame returns the record at the start of data and the length of its
// frame, or says what is wrong with it. The record shares data's memory.
func nextFrame(data []byte) (record []byte, size int, problem string) {
	if len(data) < headerSize {
		return nil, 0, fmt.Sprintf("a header of %d bytes, cut after %d", headerSize, len(data))
	}
	length := binary.LittleEndian.Uint32(data)
	if crc32.Checksum(data[:8], castagnoli) != binary.LittleEndian.Uint32(data[8:]) {
		return nil, 0, "a header with a wrong checksum"
	}
	if length == 0 || length > MaxRecord {
		return nil, 0, fmt.Sprintf("a record of impossible length %d", length)
	}
	size = headerSize + int(length)
	if len(data) < size {
		return nil, 0, fmt.Sprintf("a record of %d bytes, cut after %d", length, len(data)-headerSize)
	}
	record = data[headerSize:size:size]
	if crc32.Checksum(record, castagnoli) != binary.LittleEndian.Uint32(data[4:]) {
		return nil, 0, fmt.Sprintf("a record of %d bytes with a wrong checksum", length)
	}
	return record, size, ""
}

// scanFrames calls yield for each record from the start of data on and returns
// the length of the good prefix; problem says why it ended before the end of
// data, and is empty if it did not.
func scanFrames(data []byte, yield func(record []byte)) (good int, problem string) {
	for good < len(data) {
		record, size, problem := nextFrame(data[good:])
		if problem != "" {
			return good, problem
		}
		yield(record)
		good += size
	}
	return good, ""
}

// findFrame returns the offset of the first good frame in data at or after
// from, or -1. Only a header whose own checksum is right has its payload
// looked at, so that the search is linear for all but made-up input.
func findFrame(data []byte, from int) int {
	for ; from+headerSize <= len(data); from++ {
		if _, _, problem := nextFrame(data[from:]); problem == "" {
			return from
		}
	}
	return -1
}
