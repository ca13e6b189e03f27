package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// doctorCommand is lineq doctor.
type doctorCommand struct {
	JSON bool `name:"json" help:"Print a JSON array."`
	lineFlags
	limitFlags
	redisFlag
}

func (doctorCommand) Help() string {
	return `Examples:

    LINE_CHANNEL_ACCESS_TOKEN=… lineq doctor
    lineq doctor --config lineq.yaml --redis redis-sentinel://host1,host2/master-name
    lineq doctor --json | jq -r '.[] | select(.state == "problem")'

Give it the flags, the environment and the file of the worker. It looks at Redis, at the workers and the queues, and asks
LINE about each channel that has a token here. It changes nothing and sends nothing. Each line is ok, a warning or a
problem, and says what to do. Exit code 1 when there is a problem.

With --json: [{"state","check","subject","text","advice"}]. State is ok, warning or problem; subject is the channel, the
queue or the node that it is about, or empty; advice is empty where there is nothing to do.

` + redisHelp
}

// verdict is how bad something is.
type verdict string

const (
	fine    verdict = "ok"
	warning verdict = "warning"
	problem verdict = "problem"
)

// finding is what one check has found.
type finding struct {
	State   verdict `json:"state"`
	Check   string  `json:"check"`
	Subject string  `json:"subject"`
	Text    string  `json:"text"`
	Advice  string  `json:"advice"`
}

// doctor gathers findings.
type doctor struct{ all []finding }

func (d *doctor) say(v verdict, check, subject, advice, format string, args ...any) {
	d.all = append(d.all, finding{v, check, subject, oneLine(fmt.Sprintf(format, args...)), oneLine(advice)})
}

// cannot says that something couldn't be looked at.
func (d *doctor) cannot(check, subject string, err error) {
	d.say(warning, check, subject, hintFor(err), "could not be looked at: %v", err)
}

func (c doctorCommand) Run(ctx context.Context, a *app) error {
	d := &doctor{}
	if err := d.lookAtRedis(ctx, c.Redis); err != nil {
		return err
	}
	readable, err := d.lookAtConfig(a)
	if err == nil && readable {
		err = d.lookAtLINE(ctx, a, c.lineFlags, c.limitFlags)
	}
	if err != nil {
		return err
	}
	if err := a.printFindings(d.all, c.JSON); err != nil {
		return err
	}
	problems := 0
	for _, f := range d.all {
		if f.State == problem {
			problems++
		}
	}
	if problems > 0 {
		return &doctorError{problems}
	}
	return nil
}

func (a *app) printFindings(all []finding, asJSON bool) error {
	if asJSON {
		return a.printJSON(all)
	}
	var lines [][]string
	for _, f := range all {
		text := f.Text
		if f.Advice != "" {
			text += "; " + f.Advice
		}
		lines = append(lines, []string{string(f.State), strings.TrimSpace(f.Check + " " + f.Subject), text})
	}
	return a.printTable(lines)
}

// doctorError is of a check-up that has found problems.
type doctorError struct{ problems int }

func (e *doctorError) Error() string {
	if e.problems == 1 {
		return "there is a problem"
	}
	return fmt.Sprintf("there are %d problems", e.problems)
}

// isMisuse tells an error of the one who wrote the command line from what a doctor is there to find.
func isMisuse(err error) bool {
	var m *misuseError
	return errors.As(err, &m)
}
