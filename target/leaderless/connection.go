package leaderless

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/refute-lab/refute/target"
)

// connection is an HTTP/1.1 connection that is made when it is needed and
// carries one request at a time. It never repeats a request.
type connection struct {
	node, address string

	conn   net.Conn
	reader *bufio.Reader
	stale  func() bool // says that the idle connection can't be used any more
	buffer []byte
	body   []byte
}

// asked tells http.ReadResponse what the answer is to.
var asked = map[string]*http.Request{
	http.MethodGet:    {Method: http.MethodGet},
	http.MethodPut:    {Method: http.MethodPut},
	http.MethodPost:   {Method: http.MethodPost},
	http.MethodDelete: {Method: http.MethodDelete},
}

// do makes one request, with a header line that ends in CRLF or none, and returns the answer, whose content is valid until
// the next call. An error is definite if the node certainly does not act on the
// request, because it has not got all of it.
func (c *connection) do(ctx context.Context, method string, path []byte, header string, body []byte) (status int, content []byte, failure *target.Error) {
	if err := c.connect(ctx); err != nil {
		return 0, nil, c.fail(true, "connect: nothing was sent", err)
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.conn.SetDeadline(deadline); err != nil {
			return 0, nil, c.fail(true, "nothing was sent", err)
		}
	}
	// Also ends the request when ctx is cancelled before its deadline.
	conn := c.conn
	unwatch := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	status, content, failure = c.exchange(method, path, header, body)
	if !unwatch() {
		// The connection's deadline is in the past, now or soon.
		_ = c.close()
	}
	return status, content, failure
}

// exchange sends the request and reads the answer.
func (c *connection) exchange(method string, path []byte, header string, body []byte) (status int, content []byte, failure *target.Error) {
	b := append(c.buffer[:0], method...)
	b = append(b, ' ')
	b = append(b, path...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, c.address...)
	if method != http.MethodGet {
		b = append(b, "\r\nContent-Length: "...)
		b = strconv.AppendInt(b, int64(len(body)), 10)
	}
	b = append(append(append(b, "\r\n"...), header...), "\r\n"...)
	b = append(b, body...)
	c.buffer = b
	if _, err := c.conn.Write(b); err != nil {
		return 0, nil, c.fail(true, "send: the node has not got the whole request", err)
	}
	response, err := http.ReadResponse(c.reader, asked[method])
	if err == nil {
		content, err = c.readBody(response)
	}
	if err != nil {
		return 0, nil, c.fail(false, "sent, but no answer", err)
	}
	if response.Close {
		_ = c.close()
	}
	return response.StatusCode, content, nil
}

// readBody reads an answer's content into memory that is used again.
func (c *connection) readBody(response *http.Response) ([]byte, error) {
	defer response.Body.Close()
	length := response.ContentLength
	if length < 0 || length > 1<<20 {
		return io.ReadAll(response.Body)
	}
	if int64(cap(c.body)) < length {
		c.body = make([]byte, length, 2*length)
	}
	c.body = c.body[:length]
	_, err := io.ReadFull(response.Body, c.body)
	return c.body, err
}

// connect makes sure that there is a connection that was not closed by the other side.
func (c *connection) connect(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.conn != nil {
		if c.reader.Buffered() == 0 && !c.stale() {
			return nil
		}
		_ = c.close()
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", c.address)
	if err != nil {
		return err
	}
	c.conn, c.stale = conn, staleness(conn)
	if c.reader == nil {
		c.reader = bufio.NewReader(conn)
	} else {
		c.reader.Reset(conn)
	}
	return nil
}

// fail gives the connection up and describes what happened.
func (c *connection) fail(definite bool, what string, err error) *target.Error {
	_ = c.close()
	return &target.Error{Definite: definite, Message: fmt.Sprintf("node %s: %s: %v", c.node, what, err)}
}

// close closes the connection if there is one.
func (c *connection) close() error {
	if c.conn == nil {
		return nil
	}
	conn := c.conn
	c.conn = nil
	return conn.Close()
}
