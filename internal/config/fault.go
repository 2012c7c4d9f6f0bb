package config

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// Fault is what keeps one job from running while the configuration itself is good: a secret or a file that is not
// there now. Others go on.
type Fault struct {
	Job   string
	Field string // job.asthma.token
	Place string // file:line that sets it
	Cause error  // without a value
	Next  string // what to type; may be empty
}

// Error prints job, place, field and cause.
func (f *Fault) Error() string {
	return fmt.Sprintf("job %s is misconfigured (%s, %s): %v", f.Job, f.Place, f.Field, f.Cause)
}

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Cause }

// ReadToken fetches the job's API token now. The error is a *Fault, or the context's.
func (j *Job) ReadToken(ctx context.Context) (string, error) {
	token, err := j.Token.Read(ctx)
	if err == nil {
		return token, nil
	}
	var cause *SecretError
	if !errors.As(err, &cause) {
		return "", err
	}
	return "", j.fault("token", err, cause.Next)
}

// Faults returns what keeps the job from running now: its token, and the files by which its server is reached.
func (j *Job) Faults(ctx context.Context) []*Fault {
	var faults []*Fault
	var fault *Fault
	if _, err := j.ReadToken(ctx); errors.As(err, &fault) {
		faults = append(faults, fault)
	}
	files := []struct{ key, path string }{
		{"ca_file", j.Server.CAFile}, {"client_cert", j.Server.ClientCert}, {"client_key", j.Server.ClientKey},
	}
	for _, f := range files {
		if f.path == "" {
			continue
		}
		if err := readable(f.path); err != nil {
			faults = append(faults, j.fault(f.key, err, "ls -l "+f.path))
		}
	}
	return faults
}

// Faults returns those of all jobs, in the order of their names.
func (c *Config) Faults(ctx context.Context) []*Fault {
	var faults []*Fault
	for _, name := range c.Names() {
		faults = append(faults, c.Jobs[name].Faults(ctx)...)
	}
	return faults
}

// fault names the key where it was set: at the job, at its defaults, or at its server.
func (j *Job) fault(key string, cause error, next string) *Fault {
	n := j.set[key]
	if n == nil {
		n = j.Server.set[key]
	}
	return &Fault{Job: j.Name, Field: n.path, Place: n.at.String(), Cause: cause, Next: next}
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
