// Command lineq is the outbound message queue for LINE Official Accounts: it enqueues messages, runs the workers that
// send them, says what became of each, and has a simulated LINE to try all that against.
//
// Every setting is a flag; --foo-bar is LINEQ_FOO_BAR in the environment and foo-bar in the file of --config. Results go
// to stdout, all else to stderr. It ends with 0 when all is done, 1 when something failed and 2 when it was misused.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/redis/go-redis/v9/logging"
)

func main() {
	// What go-redis would write to stderr on its own says the same as the errors that it returns.
	logging.Disable()

	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel() // everything ends in order
		<-signals
		fmt.Fprintln(os.Stderr, "lineq: ended at once, by a second signal")
		os.Exit(1)
	}()

	err := run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr)
	if err != nil {
		explain(os.Stderr, err)
	}
	os.Exit(exitCode(err))
}
