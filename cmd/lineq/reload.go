package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"

	"go.uber.org/zap"
)

// reloadHelp is the part of a command's help about SIGHUP.
const reloadHelp = `At SIGHUP it reads the file of --config again, with the files of secrets and limits that it names: channels join, leave and
change their tokens, shares, rates and API keys change, and what is under way goes on. Where something is wrong nothing
changes, and the log says what and where. Other settings need a restart, and the log says so where they differ. Variables
can't change while a process runs: give secrets by files to change them.`

// reloads lets apply take over what the file of --config says by now, at each SIGHUP until stop is called. Where apply
// returns an error it must have changed nothing. From the call on the signal doesn't end the process.
func (a *app) reloads(ctx context.Context, command string, log *zap.Logger, apply func(next *app) error) (stop func()) {
	hangups := make(chan os.Signal, 1) // one that comes while another is seen to finds what is new then
	signal.Notify(hangups, syscall.SIGHUP)
	ctx, cancel := context.WithCancel(ctx)
	var loop sync.WaitGroup
	loop.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangups:
				a.reload(command, log, apply)
			}
		}
	})
	return func() {
		signal.Stop(hangups)
		cancel()
		loop.Wait()
	}
}

func (a *app) reload(command string, log *zap.Logger, apply func(next *app) error) {
	next := *a
	var data []byte
	err := func() (err error) {
		if a.configPath != "" {
			if data, err = readConfigFile(a.configPath); err != nil {
				return err
			}
			if next.config, err = parseConfig(a.configPath, data); err != nil {
				return err
			}
			if err = next.knowsAll(flagsOf(a.model)); err != nil {
				return err
			}
		}
		return apply(&next)
	}()
	var review configReview
	if data != nil {
		review = reviewConfig(&next, a.configPath, data)
	}
	if err == nil {
		for _, p := range review.Problems { // of what this command doesn't need
			log.Warn("the configuration has a problem", p.fields(a.configPath)...)
		}
		for _, name := range a.needRestart(command, next.config) {
			log.Warn("a setting has changed that needs a restart", zap.String("setting", name))
		}
		log.Info("configuration reloaded")
		return
	}
	for _, p := range review.Problems {
		log.Error("the configuration has a problem", p.fields(a.configPath)...)
	}
	log.Error("configuration not reloaded: all goes on as before", zap.String("error", oneLine(err.Error())))
}

func (p configProblem) fields(path string) []zap.Field {
	fields := []zap.Field{zap.String("at", fmt.Sprintf("%s:%d:%d", path, p.Line, p.Column)), zap.String("setting", p.Setting), zap.String("problem", p.Text)}
	if p.Advice != "" {
		fields = append(fields, zap.String("advice", p.Advice))
	}
	return fields
}

// needRestart lists the command's settings that aren't what they were when it started.
func (a *app) needRestart(command string, next *configFile) (names []string) {
	if a.config == nil || next == nil {
		return nil
	}
	flags := flagsOf(a.model)
	all := maps.Clone(a.config.flags)
	maps.Copy(all, next.flags)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		before, had := a.config.flags[name]
		now, has := next.flags[name]
		ours := slices.ContainsFunc(flags[name], func(f commandFlag) bool { return f.command == command })
		if ours && (had != has || before.text != now.text) {
			names = append(names, name)
		}
	}
	return names
}
