package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/alicebob/miniredis/v2/server"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/tasks/redistest"
)

// terminal is a pseudo-terminal: what a command writes to tty, shown returns once it has closed.
func terminal(t *testing.T) (tty *os.File, shown func() string) {
	t.Helper()
	const (
		unlock = 0x40045431 // TIOCSPTLCK
		number = 0x80045430 // TIOCGPTN
	)
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("there are no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { _ = master.Close() })
	raw, err := master.SyscallConn()
	require.NoError(t, err)
	var n, zero int32
	require.NoError(t, raw.Control(func(fd uintptr) {
		for request, value := range map[uintptr]*int32{unlock: &zero, number: &n} {
			_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(unsafe.Pointer(value)))
			assert.Zero(t, errno)
		}
	}))
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("there are no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { _ = tty.Close() })
	var all bytes.Buffer
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(&all, master) // ends with an error when nobody has the terminal any more
	}()
	return tty, func() string {
		_ = tty.Close()
		<-read
		return all.String()
	}
}

// An intake that takes a while shows a bar with rate and time left to somebody who looks on, and plain lines elsewhere.
func TestIntakeOnATerminal(t *testing.T) {
	const n = 400_000
	var rows strings.Builder
	rows.WriteString("to\n")
	for i := range n {
		fmt.Fprintf(&rows, "U%032x\n", i)
	}
	audience := file(t, "users.csv", rows.String())
	message := file(t, "hi.json", `{"type":"text","text":"`+secretText+`"}`)
	const bar = `\d+% \|█+ *\| +\[\d+s:\d+s\] [\d,]+ recipients, [\d,]+/s`

	for name, test := range map[string]struct {
		env      map[string]string
		terminal bool
		bar      bool
	}{
		"a terminal":      {map[string]string{"TERM": "xterm"}, true, true},
		"a dumb terminal": {map[string]string{"TERM": "dumb"}, true, false},
		"a pipe":          {map[string]string{"TERM": "xterm"}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			m, _ := redistest.Mini(t)
			m.Server().SetPreHook(func(_ *server.Peer, cmd string, _ ...string) bool {
				if strings.HasPrefix(strings.ToLower(cmd), "eval") {
					time.Sleep(100 * time.Millisecond) // a Redis that takes its time
				}
				return false
			})
			test.env["LINEQ_REDIS"] = "redis://" + m.Addr()
			var errs *os.File
			var shown func() string
			if test.terminal {
				errs, shown = terminal(t)
			} else {
				read, write, err := os.Pipe()
				require.NoError(t, err)
				errs = write
				text := make(chan string, 1)
				go func() {
					b, _ := io.ReadAll(read)
					text <- string(b)
				}()
				shown = func() string { _ = write.Close(); return <-text }
			}
			var out bytes.Buffer
			err := run(context.WithoutCancel(t.Context()), []string{"campaign", "send", "--audience", audience, "--message", message, "--id", "sale"},
				func(name string) string { return test.env[name] }, strings.NewReader(""), &out, errs)
			require.NoError(t, err)
			told := shown()
			assertNoSecrets(t, told+out.String())
			assert.Regexp(t, `recipients +400,000\n`, out.String(), "the result goes to stdout")
			assert.NotContains(t, out.String(), "\r")
			if !test.bar {
				assert.NotContains(t, told, "\x1b")
				assert.NotContains(t, told, "█")
				assert.NotContains(t, strings.ReplaceAll(told, "\r\n", "\n"), "\r")
				return
			}
			assert.Regexp(t, bar, told)
			_, drawn, _ := strings.Cut(told, "\n") // behind a note that no worker has run yet
			assert.NotContains(t, drawn, "\n", "it is written over, not scrolled")
			assert.NotRegexp(t, ` 0% \|.*[1-9],\d{3} recipients`, strings.ReplaceAll(drawn, "\r", "\n"), "bar and count belong together")
			assert.Regexp(t, "\r +\r+$", drawn, "it is taken away at the end")
		})
	}
}
