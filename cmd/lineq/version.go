package main

import (
	"fmt"
	"runtime"

	"github.com/lineq/lineq/lineapi"
)

// versionCommand is lineq version.
type versionCommand struct {
	JSON bool `name:"json" help:"Print JSON."`
}

func (c versionCommand) Run(a *app) error {
	if c.JSON {
		return a.printJSON(map[string]string{"version": lineapi.Version, "go": runtime.Version()})
	}
	_, err := fmt.Fprintf(a.stdout, "lineq %s (%s)\n", lineapi.Version, runtime.Version())
	return err
}
