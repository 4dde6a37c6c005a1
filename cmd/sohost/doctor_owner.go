package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/sohost/sohost/internal/self"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

var errOwnStore = errors.New("the store is this user's, or nobody's yet")

// diagnoseAsOwner has this program diagnose again as the user to whom the store belongs, if root asks and that is another: the server has
// that user's rights, not root's. The error says why the caller must do it itself.
func diagnoseAsOwner(cmd *cobra.Command, c *config) (d diagnosis, err error) {
	var store unix.Stat_t
	if os.Geteuid() != 0 || unix.Stat(c.Store, &store) != nil || store.Uid == 0 {
		return d, errOwnStore
	}
	args := []string{"doctor", "--json"}
	file, _ := cmd.Flags().GetString("config")
	if _, err := os.Stat(defaultConfig); file == "" && err == nil {
		file = defaultConfig
	}
	if file != "" {
		if file, err = filepath.Abs(file); err != nil {
			return d, err
		}
		args = append(args, "--config", file)
	}
	var out bytes.Buffer
	again := self.Command(cmd.Context(), "", args...)
	again.Dir, again.Stdout = "/", &out
	again.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: store.Uid, Gid: store.Gid, Groups: groupsOf(store.Uid)}}
	if err = again.Run(); errors.As(err, new(*exec.ExitError)) {
		err = nil // it has found what is bad, which is in its answer
	}
	if err != nil {
		return d, err
	}
	return d, json.Unmarshal(out.Bytes(), &d)
}

// groupsOf returns the groups of a user, none if the user has no entry.
func groupsOf(uid uint32) (groups []uint32) {
	u, err := user.LookupId(strconv.Itoa(int(uid)))
	if err != nil {
		return nil
	}
	ids, _ := u.GroupIds()
	for _, id := range ids {
		if n, err := strconv.ParseUint(id, 10, 32); err == nil {
			groups = append(groups, uint32(n))
		}
	}
	return groups
}
