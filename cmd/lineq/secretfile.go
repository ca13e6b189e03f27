package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// secretVariables hold secrets. Each may be in a file instead, which the variable NAME_FILE names, as secrets of Docker and
// Kubernetes are. LINEQ_WEBHOOK_SECRET_FILE is the variable of --webhook-secret-file.
var secretVariables = []string{
	"LINE_CHANNEL_ACCESS_TOKEN", "LINE_CHANNEL_SECRET", "LINEQ_REDIS", "REDIS_URL", "LINEQ_GATEWAY_TOKEN",
}

// variable is the value of an environment variable, or of the file that stands in for it.
func (a *app) variable(name string) (string, error) {
	value := a.getenv(name)
	if !slices.Contains(secretVariables, name) {
		return value, nil
	}
	path := a.getenv(name + "_FILE")
	switch {
	case path == "":
		return value, nil
	case value != "":
		return "", misuse(marked{fmt.Errorf("%s and %s_FILE exclude each other", name, name), errSecretFile})
	}
	value, err := readSecret(path)
	switch {
	case isMisuse(err):
		return "", fmt.Errorf("%s_FILE: %w", name, err)
	case err != nil:
		return "", misuse(marked{fmt.Errorf("%s_FILE: %w", name, err), errSecretFile})
	}
	return value, nil
}

var errSecretFile = errors.New("the file of a secret is wrong")

// maxSecret is above the largest private key that is of use.
const maxSecret = 64 << 10

// readSecret is what a file holds, without the space around it.
func readSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fileError(path, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	value := strings.TrimSpace(string(data))
	switch {
	case err != nil:
		return "", fileError(path, err)
	case len(data) > maxSecret:
		return "", fmt.Errorf("%s has more than %d bytes", path, maxSecret)
	case value == "":
		return "", fmt.Errorf("%s is empty", path)
	}
	return value, nil
}
