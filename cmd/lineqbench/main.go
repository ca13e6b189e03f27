// Command lineqbench measures lineq on this machine, beside what one would write without it, and prints one table.
//
// It starts a redis-server of its own (append-only file, everysec), takes LINE's part itself, and runs workers as
// processes of their own. Everything shares the machine, so the ratios say more than the rates.
//
//	-only a,c,e   only these parts; their letters stand in the table. -list names them
//	-seconds 30   how long the limits are watched; latencies for a third of it
//	-n 20000      how many pushes a round sends
//	-rounds 3     how often each rate is measured; the median counts
//	-json         one JSON document instead of the table
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

func main() {
	if spec := os.Getenv(childEnv); spec != "" {
		if err := runChild(spec, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "lineqbench: a worker:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errMisuse):
		fmt.Fprintln(os.Stderr, "lineqbench:", err)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "lineqbench:", err)
		os.Exit(1)
	}
}

var errMisuse = errors.New("misuse")

// parts are what is measured, by the letters under which it stands in the table.
var parts = []struct{ letter, name string }{
	{"a", "a bare net/http loop, single pushes"},
	{"b", "asynq with LINE's SDK, single pushes"},
	{"c", "lineq, single pushes"},
	{"d", "lineq, and asynq with LINE's SDK, multicasts"},
	{"e", "use of LINE's limits, and 429s, with 1 to 8 workers"},
	{"f", "latency of urgent and ordinary pushes"},
	{"g", "lateness of 100,000 scheduled pushes due at once"},
	{"h", "single pushes with 2 ms to Redis"},
	{"i", "bytes of Redis per push"},
	{"j", "cost of a held channel with 100,000 pushes"},
	{"k", "intake of campaigns: rate, bytes of Redis, memory"},
	{"l", "campaigns, personalised pushes, beside a bare loop and asynq with LINE's SDK"},
	{"m", "use of LINE's limits by campaigns, and 429s, with 1 to 4 workers"},
	{"n", "pushes that the gateway accepts, beside a bare handler with one asynq Enqueue; needs wrk"},
}

// measures measure the parts, some of them together, in turns.
var measures = []struct {
	letters string
	measure func(context.Context, *bench) error
}{
	{"abc", measurePushRates},
	{"d", measureMulticastRates},
	{"e", measureLimits},
	{"f", measureLatency},
	{"g", measureLateness},
	{"h", measureFarRates},
	{"i", measureMemory},
	{"j", measureHeld},
	{"k", measureIntake},
	{"l", measureCampaignRates},
	{"m", measureCampaignLimits},
	{"n", measureGateway},
}

// bench is one run of the program.
type bench struct {
	only     []string
	seconds  int
	n        int
	rounds   int
	progress io.Writer
	rows     []row
}

func (b *bench) wants(letter string) bool { return slices.Contains(b.only, letter) }

func (b *bench) say(format string, args ...any) { fmt.Fprintf(b.progress, format+"\n", args...) }

// run measures what the arguments ask for. The table goes to stdout, what is being done to stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	b := &bench{progress: stderr}
	flags := flag.NewFlagSet("lineqbench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("only", "", "parts to measure, by letter, with commas between; empty: all")
	list := flags.Bool("list", false, "name the parts and do nothing")
	asJSON := flags.Bool("json", false, "print one JSON document")
	flags.IntVar(&b.seconds, "seconds", 30, "how long the limits are watched")
	flags.IntVar(&b.n, "n", 20_000, "how many pushes a round sends")
	flags.IntVar(&b.rounds, "rounds", 3, "how often each rate is measured")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return fmt.Errorf("%w: see -h", errMisuse)
	}
	if b.seconds < 1 || b.n < 100 || b.rounds < 1 || flags.NArg() > 0 {
		return fmt.Errorf("%w: -seconds and -rounds are at least 1, -n at least 100, and there are no arguments", errMisuse)
	}
	for _, p := range parts {
		if *list {
			fmt.Fprintln(stdout, p.letter, "", p.name)
		}
		b.only = append(b.only, p.letter)
	}
	if *list {
		return nil
	}
	if *only != "" {
		known := b.only
		b.only = strings.Split(*only, ",")
		for _, letter := range b.only {
			if !slices.Contains(known, letter) {
				return fmt.Errorf("%w: there is no part %q", errMisuse, letter)
			}
		}
	}
	m, err := thisMachine()
	if err != nil {
		return err
	}
	for _, x := range measures {
		if !slices.ContainsFunc(b.only, func(letter string) bool { return strings.Contains(x.letters, letter) }) {
			continue
		}
		b.say("%s …", x.letters)
		if err := x.measure(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", x.letters, err)
		}
	}
	if *asJSON {
		return writeJSON(stdout, m, b.rows)
	}
	return writeTable(stdout, m, b.rows)
}
