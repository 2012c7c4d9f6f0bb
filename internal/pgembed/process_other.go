//go:build unix && !linux

package pgembed

import (
	"errors"
	"syscall"
)

// attributes are as on Linux but for the signal at our death, which only Linux has: a server that was left behind is
// ended by the next start.
func (o owner) attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if o.drop {
		attr.Credential = &syscall.Credential{Uid: uint32(o.uid), Gid: uint32(o.gid)}
	}
	return attr
}

// serves says whether a process has this number: here nothing tells more about it, so it is taken for the server.
func serves(pid int, _ string) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
