package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/url"
	"os"
	"slices"

	"syncd/internal/config"
	"syncd/internal/fake/redox"
)

// fakeCredential is what Redox would have linked to a receiver, as far as it follows from jobs.toml. Where only Redox has a private
// key it has to be given.
func (c *cli) fakeCredential(cfg *config.Config, r *config.Receiver, at string, p *pushing) (redox.Credential, error) {
	o := r.Auth
	grant := redox.Assertion{TokenURL: at + "/oauth/token", Issuer: o.Issuer, Subject: o.Subject, Scope: o.Scope, Now: c.Now}
	if len(o.Audience) > 0 {
		grant.Audience = o.Audience[0]
	}
	bearer := o.Strategy == "jwt-bearer" && !o.Grant
	if bearer && grant.Audience == "" {
		grant.Audience = cfg.Serve.PublicURL
	}
	switch {
	case o.Strategy == "":
		return nil, nil
	case o.Strategy == "aws-sigv4":
		s := &redox.SigV4{Region: o.Region, Service: o.Service, Now: c.Now}
		return s, c.readInto(map[*string]config.Secret{&s.AccessKey: o.AccessKey, &s.SecretKey: o.SecretKey, &s.SessionToken: o.SessionToken})
	case o.Strategy == "oauth2" && o.JWKSURL == "" && o.JWKSFile == "" && o.IntrospectionURL == "":
		client := redox.Client{TokenURL: grant.TokenURL, Further: url.Values{}, Now: c.Now}
		if o.Scope != "" {
			client.Further.Set("scope", o.Scope)
		}
		err := c.readInto(map[*string]config.Secret{&client.ID: o.ClientID, &client.Secret: o.ClientSecret})
		return redox.OAuth2(client), err
	case o.Strategy == "jwt-bearer" && !o.Secret.IsZero():
		secret, err := o.Secret.Read(c.ctx)
		if err != nil {
			return nil, misconfigured("read the secret of receiver "+r.Name, err)
		}
		grant.Key = &redox.Key{Alg: firstOf(o.Algorithms, "HS256"), ID: p.keyID, Secret: []byte(secret)}
		if bearer {
			return redox.SignedJWT(grant), nil
		}
		return redox.JWTGrant(grant), nil
	case o.Strategy == "smart-backend", o.Strategy == "jwt-bearer", o.Strategy == "oauth2-jwt-bearer-gcp" && (o.JWKSURL != "" || o.JWKSFile != "") && o.Email == "":
		var err error
		if grant.Key, err = p.key(o.Strategy, o.Algorithms); err != nil {
			return nil, err
		}
		if bearer {
			return redox.SignedJWT(grant), nil
		}
		if o.Strategy != "smart-backend" {
			return redox.JWTGrant(grant), nil
		}
		err = c.readInto(map[*string]config.Secret{&grant.Issuer: o.ClientID})
		return redox.SMARTBackend(grant), err
	}
	return nil, usage("receiver %s asks %s about each sender, where the fake has no account: rehearse with a receiver that has verification_tokens alone", r.Name, o.Strategy)
}

// readInto reads secrets; those that are not set stay empty.
func (c *cli) readInto(secrets map[*string]config.Secret) error {
	for to, s := range secrets {
		if s.IsZero() {
			continue
		}
		value, err := s.Read(c.ctx)
		if err != nil {
			return misconfigured("read a secret of the receiver", err)
		}
		*to = value
	}
	return nil
}

func firstOf(all []string, otherwise string) string {
	if len(all) > 0 {
		return all[0]
	}
	return otherwise
}

// key reads the private key that tokens are signed with, and chooses an algorithm for it that the receiver takes.
func (p *pushing) key(strategy string, accepted []string) (*redox.Key, error) {
	if p.keyFile == "" {
		return nil, usage("strategy %s takes tokens that are signed with a private key: give its file with --key, and its id with --kid; the receiver needs the public half in its key set", strategy)
	}
	text, err := os.ReadFile(p.keyFile)
	if err != nil {
		return nil, misconfigured("read private key", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, usage("--key %s: not a private key in PEM (openssl genpkey makes one)", p.keyFile)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, usage("--key %s: not a private key in PKCS #8 (openssl pkcs8 -topk8 -nocrypt makes one of others)", p.keyFile)
	}
	var fit []string
	switch k := parsed.(type) {
	case *rsa.PrivateKey:
		fit = []string{"RS384", "RS256", "RS512", "PS256", "PS384", "PS512"}
	case *ecdsa.PrivateKey:
		fit = map[int][]string{256: {"ES256"}, 384: {"ES384"}, 521: {"ES512"}}[k.Curve.Params().BitSize]
	case ed25519.PrivateKey:
		fit = []string{"EdDSA"}
	}
	if len(accepted) == 0 && strategy != "smart-backend" {
		accepted = []string{"RS256", "ES256", "ES384", "ES512", "EdDSA"}
	}
	for _, alg := range fit {
		if signer, ok := parsed.(crypto.Signer); ok && (len(accepted) == 0 || slices.Contains(accepted, alg)) {
			return &redox.Key{Alg: alg, ID: p.keyID, Private: signer}, nil
		}
	}
	return nil, usage("--key %s: the receiver takes no algorithm that this key signs with", p.keyFile)
}
