package pgembed

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// attributes of every process we start: an own group, so that Ctrl-C on the terminal reaches us and not the server;
// a signal when our thread dies, so that kill -9 of syncd stops the server too; another user where we are root.
func (o owner) attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: fast}
	if o.drop {
		attr.Credential = &syscall.Credential{Uid: uint32(o.uid), Gid: uint32(o.gid)}
	}
	return attr
}

// serves says whether the process with this number is a PostgreSQL server of this data folder.
func serves(pid int, data string) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	if cwd, err := os.Readlink(filepath.Join(proc, "cwd")); err != nil || cwd != data {
		return false // a postmaster works in its data folder
	}
	name, err := os.ReadFile(filepath.Join(proc, "comm"))
	return err == nil && strings.HasPrefix(string(name), "postgres")
}
