package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"
)

// fakeListener says where a fake upstream listens: on loopback, or anywhere with a certificate of its own authority.
type fakeListener struct {
	address, name, caFile string
}

func (l *fakeListener) flags(f *pflag.FlagSet) {
	f.StringVar(&l.address, "listen", "127.0.0.1:0", "address to listen on: of loopback, or any with --tls-name")
	f.StringVar(&l.name, "tls-name", "", "serve https under this host name, with a certificate of an authority made for it")
	f.StringVar(&l.caFile, "ca-out", "", "file to write that authority's certificate to: the ca_file of those who rehearse")
}

func (l *fakeListener) check() error {
	host, _, err := net.SplitHostPort(l.address)
	if (l.name == "") != (l.caFile == "") {
		return usage("--tls-name and --ca-out go together")
	}
	if ip := net.ParseIP(host); err != nil || l.name == "" && (ip == nil || !ip.IsLoopback()) {
		return usage("--listen %s: a loopback address such as 127.0.0.1:8400, or https with --tls-name and --ca-out", l.address)
	}
	return nil
}

// listen listens, and answers with the address that others reach it by.
func (l *fakeListener) listen() (net.Listener, string, error) {
	plain, err := net.Listen("tcp", l.address)
	if err != nil {
		return nil, "", fmt.Errorf("listen: %w", err)
	}
	if l.name == "" {
		return plain, "http://" + plain.Addr().String(), nil
	}
	cert, err := l.certificate()
	if err != nil {
		return nil, "", errors.Join(err, plain.Close())
	}
	_, port, err := net.SplitHostPort(plain.Addr().String())
	if err != nil {
		return nil, "", errors.Join(err, plain.Close())
	}
	return tls.NewListener(plain, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}), "https://" + net.JoinHostPort(l.name, port), nil
}

// certificate makes an authority and a certificate of it for the host name, good for a year. The authority's key is forgotten.
func (l *fakeListener) certificate() (tls.Certificate, error) {
	now := time.Now()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "rehearsal authority of " + l.name}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	ca, err := x509.CreateCertificate(rand.Reader, authority, authority, caKey.Public(), caKey)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: l.name}, NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(l.name); ip != nil {
		leaf.IPAddresses = []net.IP{ip}
	} else {
		leaf.DNSNames = []string{l.name}
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, authority, key.Public(), caKey)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, l.writeCA(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca}))
}

// writeCA writes the authority's certificate whole: who reads it never sees half of it.
func (l *fakeListener) writeCA(text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(l.caFile), ".ca-*")
	if err != nil {
		return fmt.Errorf("write --ca-out: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err := errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return fmt.Errorf("write --ca-out: %w", err)
	}
	if err := os.Rename(f.Name(), l.caFile); err != nil {
		return fmt.Errorf("write --ca-out: %w", err)
	}
	return nil
}
