package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
)

// machine is where a run took place.
type machine struct {
	Cores int    `json:"cores"`
	CPU   string `json:"cpu,omitempty"` // as the kernel names it; empty where it doesn't
	Go    string `json:"go"`
	Redis string `json:"redis"`
}

var version = regexp.MustCompile(`v=([0-9.]+)`)

// thisMachine fails where there is no redis-server.
func thisMachine() (machine, error) {
	out, err := exec.Command("redis-server", "--version").Output()
	if err != nil {
		return machine{}, errors.New("there is no redis-server on the PATH (Debian: apt-get install redis-server)")
	}
	m := machine{Cores: runtime.GOMAXPROCS(0), Go: runtime.Version()}
	if v := version.FindSubmatch(out); v != nil {
		m.Redis = string(v[1])
	}
	info, _ := os.ReadFile("/proc/cpuinfo") // Linux has it
	for line := range bytes.Lines(info) {
		if name, found := strings.CutPrefix(string(line), "model name"); found {
			m.CPU = strings.Trim(name, " \t:\n")
			break
		}
	}
	return m, nil
}
