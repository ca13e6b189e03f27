package main

import (
	"cmp"
	"fmt"
	"runtime"

	"github.com/lineq/lineq/lineapi"
)

// version is set by the linker: -X main.version=v1.2.3. Empty: that of the code.
var version string

// versionCommand is lineq version.
type versionCommand struct {
	JSON bool `name:"json" help:"Print JSON."`
}

func (c versionCommand) Run(a *app) error {
	if c.JSON {
		return a.printJSON(map[string]string{"version": cmp.Or(version, lineapi.Version), "go": runtime.Version()})
	}
	_, err := fmt.Fprintf(a.stdout, "lineq %s (%s)\n", cmp.Or(version, lineapi.Version), runtime.Version())
	return err
}
