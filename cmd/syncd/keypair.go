package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// pairEvery is how often a certificate's files are looked at.
const pairEvery = 5 * time.Second

// keyPair is a certificate whose files are read again when they change. A pair that cannot be read leaves the last one in use.
type keyPair struct {
	log *slog.Logger

	mu        sync.Mutex
	cert, key string
	pair      *tls.Certificate
	of        [2]time.Time
	looked    time.Time
	refused   bool
}

// use takes the pair of these files from now on, and reads it, whether they changed or not. Where that fails the pair before stays
// in use until they can be read.
func (k *keyPair) use(cert, key string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cert, k.key, k.of, k.looked = cert, key, [2]time.Time{}, time.Now()
	err := k.read()
	k.refused = err != nil
	return err
}

// get answers handshakes.
func (k *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.pair != nil && time.Since(k.looked) < pairEvery {
		return k.pair, nil
	}
	k.looked = time.Now()
	err := k.read()
	if k.pair == nil {
		return nil, err
	}
	if err != nil && !k.refused {
		k.log.Warn("the certificate's files changed and cannot be read; the one before stays in use", slog.Any("error", err))
	}
	k.refused = err != nil
	return k.pair, nil
}

// read reads the files where they are not those that were read.
func (k *keyPair) read() error {
	of, err := modified(k.cert, k.key)
	if err != nil || k.pair != nil && of == k.of {
		return err
	}
	pair, err := tls.LoadX509KeyPair(k.cert, k.key)
	if err != nil {
		return fmt.Errorf("certificate %s and key %s are no pair that can be used", k.cert, k.key)
	}
	if k.pair != nil {
		k.log.Info("certificate read again", slog.Time("valid_until", pair.Leaf.NotAfter))
	}
	k.pair, k.of = &pair, of
	return nil
}

func modified(cert, key string) (of [2]time.Time, err error) {
	for i, path := range []string{cert, key} {
		info, err := os.Stat(path)
		if err != nil {
			return of, err
		}
		of[i] = info.ModTime()
	}
	return of, nil
}
