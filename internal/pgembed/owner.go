package pgembed

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// owner is the user as whom PostgreSQL's programs run: this process's own, unless that is root.
type owner struct {
	name     string
	uid, gid int
	drop     bool // this process is root and has to become the user
}

// chooseOwner keeps the owner of existing data, and takes the user postgres for new data, where this process is root.
func chooseOwner(data string) (owner, error) {
	if os.Geteuid() != 0 {
		return owner{uid: os.Geteuid(), gid: os.Getegid()}, nil
	}
	if info, err := os.Stat(data); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 {
			return owner{name: "#" + strconv.Itoa(int(st.Uid)), uid: int(st.Uid), gid: int(st.Gid), drop: true}, nil
		}
	}
	u, err := user.Lookup(superuser)
	if err != nil {
		return owner{}, errors.New("PostgreSQL refuses to run as root and there is no user postgres to run it as; type: useradd --system postgres")
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err := errors.Join(err1, err2); err != nil {
		return owner{}, fmt.Errorf("read user postgres: %w", err)
	}
	return owner{name: superuser, uid: uid, gid: gid, drop: true}, nil
}

// makeDir makes the folder, closed to others, and proves that the owner can get there.
func (o owner) makeDir(dir string) error {
	// Folders above are made so that another user gets through; the last one is closed below.
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make folder: %w", err)
	}
	if err := o.take(dir); err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("close folder to others: %w", err)
	}
	return o.reach(dir)
}

// Reachable says why a server cannot live in a folder (which need not exist): as root it runs as another user, who may
// not get there. A caller may then choose another folder.
func Reachable(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("find folder: %w", err)
	}
	o, err := chooseOwner(filepath.Join(dir, "data"))
	if err != nil {
		return err
	}
	return o.reach(dir)
}

// reach looks at every folder above dir; those that are not there yet will be made by us.
func (o owner) reach(dir string) error {
	if !o.drop {
		return nil
	}
	for parent := filepath.Dir(dir); ; parent = filepath.Dir(parent) {
		if err := o.mayEnter(parent); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%w: PostgreSQL refuses root and runs as user %s here, who cannot get to %s: choose a folder that it can enter (such as one below /var/lib or /tmp), or do not run as root",
				err, o.name, dir)
		}
		if parent == filepath.Dir(parent) {
			return nil
		}
	}
}

// take makes path the owner's.
func (o owner) take(path string) error {
	if !o.drop {
		return nil
	}
	if err := os.Chown(path, o.uid, o.gid); err != nil {
		return fmt.Errorf("give %s to user %s: %w", path, o.name, err)
	}
	return nil
}

// mayEnter judges a folder by its permission bits alone.
func (o owner) mayEnter(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("look at folder: %w", err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	need := os.FileMode(0o001)
	switch {
	case int(st.Uid) == o.uid:
		need = 0o100
	case int(st.Gid) == o.gid:
		need = 0o010
	}
	if info.Mode()&need == 0 {
		return fmt.Errorf("folder %s is closed (mode %04o)", dir, info.Mode().Perm())
	}
	return nil
}
