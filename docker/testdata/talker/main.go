// Command talker is a node for the backend's tests: an HTTP server that says who it
// is and what it sees.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

func main() {
	port := "8080"
	if p := os.Getenv("PORT"); p != "" {
		port = p
	}
	dir := os.Getenv("DATA")
	fmt.Println("node starts", os.Args[1:])
	if _, err := os.ReadFile(filepath.Join(dir, "greeting")); err == nil {
		fmt.Println("it has a greeting")
	}
	http.HandleFunc("/ready", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	http.HandleFunc("/time", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, time.Now().UnixNano()) })
	http.HandleFunc("/who", func(w http.ResponseWriter, _ *http.Request) {
		host, _ := os.Hostname()
		cwd, _ := os.Getwd()
		fmt.Fprintf(w, "%s uid=%d cwd=%s args=%q greeting=%s", host, os.Getuid(), cwd, os.Args[1:], os.Getenv("GREETING"))
	})
	http.HandleFunc("/write", func(w http.ResponseWriter, r *http.Request) {
		if err := os.WriteFile(filepath.Join(dir, "greeting"), []byte(r.FormValue("v")), 0o644); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	http.HandleFunc("/read", func(w http.ResponseWriter, _ *http.Request) {
		b, err := os.ReadFile(filepath.Join(dir, "greeting"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		w.Write(b)
	})
	http.HandleFunc("/dial", func(w http.ResponseWriter, r *http.Request) {
		c, err := net.DialTimeout("tcp", r.FormValue("address"), 300*time.Millisecond)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(300 * time.Millisecond))
		fmt.Fprintf(c, "GET /ready HTTP/1.0\r\n\r\n")
		b, err := io.ReadAll(c)
		if err != nil || len(b) == 0 {
			http.Error(w, fmt.Sprint("no answer: ", err), http.StatusBadGateway)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	var holds atomic.Int64
	http.HandleFunc("/holds", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, holds.Load()) })
	http.HandleFunc("/hold", func(w http.ResponseWriter, r *http.Request) {
		c, err := net.Dial("tcp", r.FormValue("address"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer c.Close()
		holds.Add(1)
		defer holds.Add(-1)
		if _, err := c.Read(make([]byte, 1)); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
	})
	http.HandleFunc("/addresses", func(w http.ResponseWriter, _ *http.Request) {
		as, _ := net.InterfaceAddrs()
		fmt.Fprintln(w, as)
	})
	http.HandleFunc("/say", func(_ http.ResponseWriter, r *http.Request) { fmt.Println(r.FormValue("v")) })
	http.HandleFunc("/exit", func(http.ResponseWriter, *http.Request) { os.Exit(7) })
	if err := http.ListenAndServe(":"+port, nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
