package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"syncd/extract"
)

const adminStop = 3 * time.Second

// admin is the listener of the health endpoints.
type admin struct {
	addr   string
	server *http.Server
	done   chan error
}

func listenAdmin(addr string, pages map[string]http.Handler) (*admin, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, &extract.Error{
			Kind: extract.KindConfig, What: "listen on serve.admin", Where: addr, Cause: err,
			Next: "stop what listens there, or set another address: [serve] admin = \"127.0.0.1:PORT\"",
		}
	}
	mux := http.NewServeMux()
	for path, page := range pages {
		mux.Handle("GET "+path, page)
	}
	a := &admin{addr: l.Addr().String(), done: make(chan error, 1), server: &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10,
	}}
	go func() { a.done <- a.server.Serve(l) }()
	return a, nil
}

func (a *admin) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), adminStop)
	defer cancel()
	if err := a.server.Shutdown(ctx); err != nil {
		return fmt.Errorf("stop admin listener: %w", err)
	}
	if err := <-a.done; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve admin: %w", err)
	}
	return nil
}
