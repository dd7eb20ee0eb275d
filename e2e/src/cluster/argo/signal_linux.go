package osspecific

import (
	"errors"
	"os"
	"syscall"

	argo "github.com/argoproj/argo-workflows/v3/util/errors"
)

// Term asks a process to end.
var Term = syscall.SIGTERM

// CanIgnoreSignal is true for the signals that the Go runtime and the kernel send to the executor itself.
func CanIgnoreSignal(s os.Signal) bool {
	switch s {
	case syscall.SIGCHLD, syscall.SIGURG:
		return true
	}
	return false
}

// Setpgid makes the process to be started the first of a group of its own.
func Setpgid(attributes *syscall.SysProcAttr) {
	attributes.Setpgid = true
}

// Kill sends the signal to all processes in the group of pid.
func Kill(pid int, s syscall.Signal) error {
	target := pid
	if group, err := syscall.Getpgid(pid); err == nil {
		target = -group
	}
	return syscall.Kill(target, s)
}

// Wait reaps children, orphans too as the first process of a container must, until the given one has ended.
// Its exit status comes back as Argo's error. Wait blocks, so that the end of a step is seen at once.
func Wait(process *os.Process) error {
	awaited := process.Pid
	if err := process.Release(); err != nil {
		return err
	}
	var status syscall.WaitStatus
	for {
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return err
		case pid != awaited:
			continue
		case status.Signaled():
			return argo.NewExitErr(128 + int(status.Signal()))
		case status.Exited():
			return argo.NewExitErr(status.ExitStatus())
		}
	}
}
