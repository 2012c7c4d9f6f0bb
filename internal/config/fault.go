package config

import (
	"context"
	"errors"
	"fmt"
	"os"

	"syncd/extract/upstream"
)

// Fault is what keeps one job from running, one receiver from letting anybody in, or one notifier from telling, while the configuration itself is
// good: a secret or a file that is not there now. Others go on.
type Fault struct {
	Job   string // or receiver, or notifier
	Field string // job.asthma.token
	Place string // file:line that sets it
	Cause error  // without a value
	Next  string // what to type; may be empty

	word string // job, receiver or notifier
}

// Error prints job, place, field and cause.
func (f *Fault) Error() string {
	return fmt.Sprintf("%s %s is misconfigured (%s, %s): %v", f.word, f.Job, f.Place, f.Field, f.Cause)
}

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Cause }

// ReadSecret fetches a secret of the job, or of its campus, now: token, public_key, private_key or api_key. The error is
// a *Fault, or the context's.
func (j *Job) ReadSecret(ctx context.Context, key string) (string, error) {
	var secret Secret
	for _, s := range j.secrets() {
		if s.key == key {
			secret = s.of
		}
	}
	value, err := secret.Read(ctx)
	if err == nil {
		return value, nil
	}
	var cause *SecretError
	if !errors.As(err, &cause) {
		return "", err
	}
	return "", j.fault(key, err, cause.Next)
}

func (j *Job) secrets() []keyed[Secret] {
	if j.Campus != nil {
		return []keyed[Secret]{{"public_key", j.Campus.PublicKey}, {"private_key", j.Campus.PrivateKey}, {"api_key", j.Campus.APIKey}}
	}
	return []keyed[Secret]{{"token", j.Project.Token}}
}

// Faults returns what keeps the job from running now: its secrets, and the files by which its server is reached.
func (j *Job) Faults(ctx context.Context) []*Fault {
	var faults []*Fault
	for _, s := range j.secrets() {
		var fault *Fault
		if s.of.IsZero() { // the other way of authenticating
			continue
		}
		if _, err := j.ReadSecret(ctx, s.key); errors.As(err, &fault) {
			faults = append(faults, fault)
		}
	}
	return append(faults, faultsOf(files(j.reach()), j.fault)...)
}

// reach says how the job's server is reached.
func (j *Job) reach() upstream.Config {
	if j.Campus != nil {
		return j.Campus.Config
	}
	return j.Server.Config
}

// Faults returns what keeps the receiver from letting anybody in now: secrets, and the files that are named.
func (r *Receiver) Faults(ctx context.Context) []*Fault {
	var faults []*Fault
	secrets := []keyed[Secret]{
		{"auth.access_key", r.Auth.AccessKey},
		{"auth.secret_key", r.Auth.SecretKey},
		{"auth.access_key_old", r.Auth.AccessKeyOld},
		{"auth.secret_key_old", r.Auth.SecretKeyOld},
		{"auth.session_token", r.Auth.SessionToken},
		{"auth.client_id", r.Auth.ClientID},
		{"auth.client_secret", r.Auth.ClientSecret},
		{"auth.client_secret_old", r.Auth.ClientSecretOld},
		{"auth.secret", r.Auth.Secret},
		{"auth.secret_old", r.Auth.SecretOld},
	}
	for _, s := range r.Tokens {
		secrets = append(secrets, keyed[Secret]{"verification_tokens", s})
	}
	for _, s := range secrets {
		if s.of.IsZero() {
			continue
		}
		var cause *SecretError
		if _, err := s.of.Read(ctx); errors.As(err, &cause) {
			faults = append(faults, r.fault(s.key, err, cause.Next))
		}
	}
	return append(faults, faultsOf(append(files(r.Config), keyed[string]{"auth.jwks_file", r.Auth.JWKSFile}), r.fault)...)
}

// keyed is what a key holds.
type keyed[T any] struct {
	key string
	of  T
}

func files(c upstream.Config) []keyed[string] {
	return []keyed[string]{{"ca_file", c.CAFile}, {"client_cert", c.ClientCert}, {"client_key", c.ClientKey}}
}

// faultsOf makes a fault of each file that cannot be read.
func faultsOf(files []keyed[string], fault func(key string, cause error, next string) *Fault) []*Fault {
	var faults []*Fault
	for _, f := range files {
		if f.of == "" {
			continue
		}
		if err := readable(f.of); err != nil {
			faults = append(faults, fault(f.key, err, "ls -l "+f.of))
		}
	}
	return faults
}

// Faults returns those of all jobs, then of all receivers, then of all notifiers, each in the order of their names.
func (c *Config) Faults(ctx context.Context) []*Fault {
	var faults []*Fault
	for _, name := range c.Names() {
		faults = append(faults, c.Jobs[name].Faults(ctx)...)
	}
	for _, name := range c.ReceiverNames() {
		faults = append(faults, c.Receivers[name].Faults(ctx)...)
	}
	for _, name := range c.NotifierNames() {
		faults = append(faults, c.Notifiers[name].Faults(ctx)...)
	}
	return faults
}

// fault names the key where it was set: at the job, at its defaults, or at its server.
func (j *Job) fault(key string, cause error, next string) *Fault {
	n := j.set[key]
	switch {
	case n != nil:
	case j.Campus != nil:
		n = j.Campus.set[key]
	default:
		n = j.Server.set[key]
	}
	return &Fault{Job: j.Name, Field: n.path, Place: n.at.String(), Cause: cause, Next: next, word: "job"}
}

func (r *Receiver) fault(key string, cause error, next string) *Fault {
	n := r.set[key]
	return &Fault{Job: r.Name, Field: n.path, Place: n.at.String(), Cause: cause, Next: next, word: "receiver"}
}

func readable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("read file %s: %w", path, reasonOf(err))
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("read file %s: it is %s, not a file", path, modeName(info.Mode()))
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read file %s: %w", path, reasonOf(err))
	}
	return f.Close()
}
