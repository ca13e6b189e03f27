package main

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

// configInitCommand is lineq config init.
type configInitCommand struct {
	File string `arg:"" optional:"" help:"The file to write, - for stdout; else that of --config, else lineq.yaml."`
}

func (configInitCommand) Help() string {
	return `Examples:

    lineq config init
    lineq config init /etc/lineq/lineq.yaml
    lineq config init - | less

The sample has every setting of lineq worker and lineq serve with its default, and channels in each way in which a token can
be had, all commented out. It never overwrites a file.`
}

func (c configInitCommand) Run(a *app) error {
	path, sample := cmp.Or(c.File, a.configPath, defaultConfig), sampleConfig(a.model)
	if path == "-" {
		_, err := fmt.Fprint(a.stdout, sample)
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	switch {
	case errors.Is(err, fs.ErrExist):
		return misuse(marked{fmt.Errorf("%s is there already", path), errSampleThere})
	case err != nil:
		return fileError(path, err)
	}
	_, err = f.WriteString(sample)
	if err := cmp.Or(err, f.Close()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	a.note("take the # off what you need, then: lineq config check %s", path)
	_, err = fmt.Fprintln(a.stdout, path)
	return err
}

var errSampleThere = errors.New("the file of a sample is there already")

//go:embed sample.yaml
var sampleChannels string

// sampleConfig is the sample: the channels, and the settings as the commands themselves have them.
func sampleConfig(model *kong.Application) string {
	var both, worker, serve strings.Builder
	flags := flagsOf(model)
	for _, name := range settingsOf(model, "worker", "serve") {
		of := map[string]*kong.Flag{}
		for _, f := range flags[name] {
			of[f.command] = f.flag
		}
		switch w, s := of["worker"], of["serve"]; {
		case s == nil:
			writeSetting(&worker, w)
		case w == nil:
			writeSetting(&serve, s)
		default:
			writeSetting(&both, w)
		}
	}
	return sampleChannels + "\n# Settings of lineq worker and lineq serve\n" + both.String() +
		"\n# Settings of lineq worker\n" + worker.String() +
		"\n# Settings of lineq serve; an addr is for lineq dev and lineq simulate, too\n" + serve.String()
}

// settingsOf lists the settings of these commands, each once, in the order of their help.
func settingsOf(model *kong.Application, commands ...string) (names []string) {
	had := map[string]bool{"help": true, "config": true}
	for _, name := range commands {
		for _, command := range model.Children {
			if command.Name != name {
				continue
			}
			for _, f := range command.Flags {
				if !had[f.Name] {
					had[f.Name] = true
					names = append(names, f.Name)
				}
			}
		}
	}
	return names
}

// writeSetting writes what a setting is for, and its default. One without a default has the form of its value there.
func writeSetting(b *strings.Builder, f *kong.Flag) {
	fmt.Fprintf(b, "\n# %s\n#%s: %s\n", f.Help, f.Name, cmp.Or(f.Default, f.PlaceHolder, formless(f)))
}

// formless stands for a value that has neither a default nor a name.
func formless(f *kong.Flag) string {
	if f.IsBool() {
		return "false"
	}
	return strings.ToUpper(f.Name)
}
