package worker

import (
	"fmt"
	"time"
)

// A worker of a version that doesn't beat claims nothing, but its asynq servers are on asynq's own list of servers. While
// one of them works a queue, a task there that nobody claims may be its: that one is no orphan.
//
// Whose a server is, is told by its host and process. Two containers that share a hostname and in which both workers have
// the same process number look like one: then an older worker's tasks are handed on beside it, which its records make
// harmless.

// process names the process of a worker as asynq names that of a server.
func process(host, pid string) string { return host + ":" + pid }

// listedTime is how long a server stays on asynq's list that was killed. asynq renews the entry every 5 seconds.
const listedTime = 10 * time.Second

// remember notes which processes beat. One that has died stays known until its servers are on the list no more.
func (v *watch) remember(now time.Time, peers []peer) {
	for at, last := range v.beaten {
		if now.Sub(last) > listedTime {
			delete(v.beaten, at)
		}
	}
	for _, p := range peers {
		v.beaten[process(p.host, p.pid)] = now
	}
}

// withoutStrangers drops the orphans that a worker may have which doesn't beat.
func (v *watch) withoutStrangers(orphans []orphan) ([]orphan, error) {
	unclaimed := false
	for _, o := range orphans {
		unclaimed = unclaimed || o.worker == ""
	}
	if !unclaimed {
		return orphans, nil // the usual case, which costs nothing
	}
	servers, err := v.inspector.Servers()
	if err != nil {
		return nil, fmt.Errorf("list asynq's servers: %w", err)
	}
	theirs := map[string]bool{} // queues
	for _, s := range servers {
		if _, beats := v.beaten[process(s.Host, fmt.Sprint(s.PID))]; beats {
			continue
		}
		for queue := range s.Queues {
			theirs[queue] = true
		}
	}
	var left []orphan
	for _, o := range orphans {
		if o.worker != "" || !theirs[o.queue] {
			left = append(left, o)
		}
	}
	return left, nil
}
