package main

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/lineq/lineq/tasks"
)

// commands is the grammar of the command line.
type commands struct {
	Config string `placeholder:"FILE" help:"YAML file with flags by name, and channels."`

	Demo        demoCommand        `cmd:"" help:"Send to a simulated LINE, all in this process, and show the result."`
	Dev         devCommand         `cmd:"" help:"Run Redis, a simulated LINE and a worker in this process."`
	Worker      workerCommand      `cmd:"" help:"Send what was enqueued."`
	Serve       serveCommand       `cmd:"" help:"Serve LINE's API to apps, and queue what they send."`
	Simulate    simulateCommand    `cmd:"" help:"Run the simulated LINE alone."`
	Send        sendCommand        `cmd:"" help:"Enqueue messages."`
	Campaign    campaignCommand    `cmd:"" help:"Send to everybody in a file, and control that."`
	Schedule    scheduleCommand    `cmd:"" help:"Send again and again, and control that."`
	Richmenu    richMenuCommand    `cmd:"" name:"richmenu" help:"Enqueue changes of rich menus."`
	Chat        chatCommand        `cmd:"" help:"Enqueue other operations on chats, and lookups."`
	Task        taskCommand        `cmd:"" help:"Look up and control tasks."`
	Channel     channelCommand     `cmd:"" help:"Look up, check, hold and resume channels."`
	Quota       quotaCommand       `cmd:"" help:"Show the monthly quota, and what is left of it."`
	Log         logCommand         `cmd:"" help:"Show the delivery log."`
	ConfigFile  configCommand      `cmd:"" name:"config" help:"Write and check the file of --config."`
	Doctor      doctorCommand      `cmd:"" help:"Check Redis, workers, channels and LINE, and say what to do."`
	Healthcheck healthcheckCommand `cmd:"" help:"Ask a worker or a server on this machine whether it is ready."`
	Completion  completionCommand  `cmd:"" help:"Print a script that completes commands in a shell."`
	Version     versionCommand     `cmd:"" help:"Print the version."`
}

const description = `The outbound message queue for LINE Official Accounts.

Every flag --foo-bar has the environment name LINEQ_FOO_BAR. A flag beats the environment, which beats the file of
--config. A variable of a secret may be a file's name instead: LINE_CHANNEL_ACCESS_TOKEN_FILE, REDIS_URL_FILE and so on.
Results go to stdout, all else to stderr. Exit codes: 0 done, 1 failed, 2 misuse.

    lineq demo                                  see it work, with nothing installed
    lineq dev                                   the same parts, to develop against
    lineq worker                                send for the channel of LINE_CHANNEL_ACCESS_TOKEN
    lineq config init                           write a sample of the file of --config
    lineq serve                                 take what bots send with any SDK
    lineq send push --to U… --text hello --wait
    lineq campaign send --audience followers.csv --message offer.json --watch
    lineq schedule add broadcast --id monday --cron '0 9 * * MON' --tz Asia/Tokyo --text 'Good morning'`

// app is what every command works with.
type app struct {
	getenv         func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer
	config         *configFile // nil without --config
	configPath     string      // of --config, for the commands that don't read it as their own
	credentials    *credentials
	model          *kong.Application
}

// run carries out one command line. It may be called many times in a process; ctx ends what stays up.
func run(
	ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer,
) error {
	a := &app{getenv: getenv, stdin: stdin, stdout: stdout, stderr: stderr, credentials: newCredentials()}
	helped := false
	parser, err := kong.New(&commands{},
		kong.Name("lineq"),
		kong.Description(description),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { helped = true }), // kong prints its help and goes on
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 110}),
		kong.ValueFormatter(withEnvironment),
		kong.WithBeforeResolve(a.resolveFlags),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(a),
		kong.Vars{"channel": tasks.DefaultChannel},
	)
	if err != nil {
		return err
	}
	a.model = parser.Model
	switch {
	case len(args) == 0:
		args = []string{"--help"}
	case args[0] == completeWord:
		return a.complete(args[1:])
	}
	parsed, err := parser.Parse(args)
	switch {
	case helped:
		return nil
	case err != nil:
		return of(selected(err, parser), misuse(withoutArguments(err)))
	}
	return of(parsed.Selected(), parsed.Run())
}

// of names the command in an error of misuse, so that its help can be pointed to.
func of(command *kong.Node, err error) error {
	var m *misuseError
	if errors.As(err, &m) && m.command == "" {
		m.command = command.FullPath()
	}
	return err
}

// selected is the command at which a command line could not be understood.
func selected(err error, parser *kong.Kong) *kong.Node {
	var p *kong.ParseError
	if errors.As(err, &p) && p.Context != nil && p.Context.Selected() != nil {
		return p.Context.Selected()
	}
	return parser.Model.Node
}

// withoutArguments keeps a stray argument of a command out of its error: an unquoted message text is the usual one. A
// stray word where a command belongs stays, with kong's guess at what was meant.
func withoutArguments(err error) error {
	var p *kong.ParseError
	if !errors.As(err, &p) || p.Context == nil || !strings.HasPrefix(err.Error(), "unexpected argument") {
		return err
	}
	if selected := p.Context.Selected(); selected == nil || !selected.Leaf() {
		return err
	}
	return errStrayArgument
}
