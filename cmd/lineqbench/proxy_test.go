package main

import (
	"bufio"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestProxyDelaysEachWay(t *testing.T) {
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer echo.Close()
	go func() {
		c, err := echo.Accept()
		if err == nil {
			_, _ = io.Copy(c, c)
			_ = c.Close()
		}
	}()
	const delay = 20 * time.Millisecond
	p, err := startProxy(echo.Addr().String(), delay)
	require.NoError(t, err)
	c, err := net.Dial("tcp", p.Addr().String())
	require.NoError(t, err)
	lines := bufio.NewReader(c)
	start := time.Now()
	for _, text := range []string{"a\n", "b\n", "c\n"} {
		_, err = io.WriteString(c, text)
		require.NoError(t, err)
	}
	for _, text := range []string{"a\n", "b\n", "c\n"} {
		got, err := lines.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, text, got)
		assert.GreaterOrEqual(t, time.Since(start), 2*delay)
	}
	p.stop()
	_, err = lines.ReadByte()
	assert.Error(t, err, "stop cuts")
}
