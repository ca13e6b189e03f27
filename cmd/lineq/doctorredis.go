package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/tasks/topology"
)

// lookAtRedis makes all checks that need Redis. Its error is of a URL that can't be read.
func (d *doctor) lookAtRedis(ctx context.Context, rawURL string) error {
	rdb, err := openRedis(ctx, rawURL, asGiven)
	if isMisuse(err) {
		return err
	}
	if err != nil {
		d.say(problem, "redis", "", hintFor(err), "%v", err)
		return nil
	}
	defer rdb.Close()
	ctx, cancel := context.WithTimeout(ctx, doctorPatience)
	defer cancel()
	o, err := parseRedis(rawURL)
	if err != nil {
		return err
	}
	nodes, err := topology.Nodes(ctx, rdb)
	if err != nil {
		d.say(problem, "redis", "", hintFor(err), "redis %s: %v", nameOf(o), err)
		return nil
	}
	d.say(fine, "redis", "", "", "%s answers", nameOf(o))
	for _, n := range nodes {
		d.lookAtNode(n, subjectOf(n, nodes))
	}
	switch {
	case o.MasterName != "":
		d.lookAtSentinels(ctx, o)
	case o.IsClusterMode:
		d.lookAtCluster(ctx, rdb)
	default:
		d.lookAtReplicas(nodes[0])
	}
	d.lookAtClocks(ctx, rdb)
	d.lookAtQueues(ctx, rdb)
	return nil
}

// doctorPatience is for all of Redis's answers.
const doctorPatience = 20 * time.Second

// subjectOf names a node where there are several.
func subjectOf(n topology.Node, all []topology.Node) string {
	if len(all) == 1 {
		return ""
	}
	return n.Addr
}

func (d *doctor) lookAtNode(n topology.Node, subject string) {
	risks := map[string]topology.Risk{}
	for _, r := range n.Risks() {
		risks[r.Check] = r
		d.say(problem, r.Check, subject, r.Advice, "%s", r.Text)
	}
	if n.Replica {
		d.say(problem, "role", subject, "name the master in the URL, or the sentinels by redis-sentinel://",
			"this is a replica, which takes no writes")
	}
	const managed = "see that your provider keeps it so"
	if _, risky := risks[topology.CheckVersion]; !risky {
		d.known(n.Version, "version", subject, "redis "+n.Version, "")
	}
	if _, risky := risks[topology.CheckPolicy]; !risky {
		d.known(n.Policy, "policy", subject, "maxmemory-policy "+n.Policy, managed+": noeviction")
	}
	if _, risky := risks[topology.CheckPersistence]; !risky {
		switch {
		case n.Fails:
			d.say(problem, "persistence", subject, "see Redis's log: is the disk full?", "its last write to the disk has failed")
		case n.Keeps == topology.Snapshots:
			d.say(warning, "persistence", subject, "set appendonly yes",
				"snapshots alone: what was enqueued since the last one is lost when Redis dies")
		case n.Keeps == topology.Log && n.Fsync == "no":
			d.say(warning, "persistence", subject, "set appendfsync everysec",
				"appendonly yes, appendfsync no: a host that dies loses what the system hasn't written, often half a minute")
		case n.Keeps == topology.Log && n.Fsync == "always":
			d.say(fine, "persistence", subject, "", "appendonly yes, appendfsync always")
		default:
			d.known(string(n.Keeps), "persistence", subject,
				"appendonly yes: a host that dies loses a second at most", managed+": appendonly yes")
		}
	}
	d.lookAtMemory(n, subject)
}

// known says what is well, or that Redis doesn't tell.
func (d *doctor) known(value, check, subject, text, advice string) {
	if value == "" {
		d.say(warning, check, subject, advice, "Redis doesn't tell")
		return
	}
	d.say(fine, check, subject, "", "%s", text)
}

// Shares of maxmemory at which there is a warning, and a problem: the rest is what a large campaign takes.
const (
	memoryWarning = 0.75
	memoryProblem = 0.95
)

func (d *doctor) lookAtMemory(n topology.Node, subject string) {
	used := fmt.Sprintf("%s MB used", megabytes(n.Used))
	const advice = "raise maxmemory, or keep records for a shorter time; at the limit Redis refuses every new message"
	share := 0.0
	if n.Max > 0 {
		share = float64(n.Used) / float64(n.Max)
		used += fmt.Sprintf(" of %s (%.0f %%)", megabytes(n.Max), 100*share)
	}
	switch {
	case n.Used == 0:
		d.say(warning, "memory", subject, "", "Redis doesn't tell")
	case share >= memoryProblem:
		d.say(problem, "memory", subject, advice, "%s", used)
	case share >= memoryWarning:
		d.say(warning, "memory", subject, advice, "%s", used)
	case n.Max == 0:
		d.say(fine, "memory", subject, "", "%s, without a maxmemory", used)
	default:
		d.say(fine, "memory", subject, "", "%s", used)
	}
}

func megabytes(n int64) string { return strconv.FormatFloat(float64(n)/1e6, 'f', 1, 64) }

func (d *doctor) lookAtReplicas(n topology.Node) {
	if n.Replicas == 0 {
		d.say(fine, "replicas", "", "", "none: when this Redis is gone, everything waits for it, and --durable can't succeed")
		return
	}
	d.say(fine, "replicas", "", "", "%d, and no sentinels by this URL: after a failover it names the wrong one", n.Replicas)
}

// lookAtSentinels asks each sentinel of the URL.
func (d *doctor) lookAtSentinels(ctx context.Context, o *redis.UniversalOptions) {
	for _, addr := range o.Addrs {
		s := redis.NewSentinelClient(&redis.Options{
			Addr: addr, Username: o.SentinelUsername, Password: o.SentinelPassword, TLSConfig: o.TLSConfig,
			MaxRetries: -1, DialerRetries: 1, DialTimeout: redisPatience,
		})
		defer s.Close()
		m, err := s.Master(ctx, o.MasterName).Result()
		if err != nil {
			d.say(warning, "sentinel", addr, "start it: a failover needs a majority of the sentinels", "doesn't answer: %v", err)
			continue
		}
		others, replicas := m["num-other-sentinels"], m["num-slaves"]
		text := fmt.Sprintf("the master of %s is %s:%s, with %s replicas; %s other sentinels, %s must agree that it is gone",
			o.MasterName, m["ip"], m["port"], replicas, others, m["quorum"])
		usable := s.CkQuorum(ctx, o.MasterName).Err()
		switch {
		case usable != nil:
			d.say(problem, "sentinel", addr, "start the missing sentinels", "no failover is possible now: %v", usable)
		case replicas == "0":
			d.say(problem, "sentinel", addr, "add a replica: without one there is nothing to fail over to", "%s", text)
		case strings.Contains(m["flags"], "down"):
			d.say(problem, "sentinel", addr, "wait for the failover; see the sentinels' log if it doesn't come",
				"it can't reach the master (%s)", m["flags"])
		case others == "0" || others == "1":
			d.say(warning, "sentinel", addr, "run three: fewer can't fail over when one host is gone", "%s", text)
		default:
			d.say(fine, "sentinel", addr, "", "%s", text)
		}
	}
}

func (d *doctor) lookAtCluster(ctx context.Context, rdb redis.UniversalClient) {
	text, err := rdb.ClusterInfo(ctx).Result()
	if err != nil {
		d.cannot("cluster", "", err)
		return
	}
	info := map[string]string{}
	for _, line := range strings.Fields(text) {
		name, value, _ := strings.Cut(line, ":")
		info[name] = value
	}
	state := fmt.Sprintf("state %s, %s masters, %s of 16384 slots served", info["cluster_state"], info["cluster_size"],
		info["cluster_slots_ok"])
	if info["cluster_state"] != "ok" {
		d.say(problem, "cluster", "", "bring its nodes back: while slots are missing, Redis takes nothing", "%s", state)
	} else {
		d.say(fine, "cluster", "", "", "%s", state)
	}
	nodes, err := topology.Nodes(ctx, rdb)
	if err != nil {
		d.cannot("replicas", "", err)
		return
	}
	for _, n := range nodes {
		if n.Replicas == 0 {
			d.say(warning, "replicas", n.Addr, "add one: without it, the Cluster stops when this master is gone", "none")
		} else {
			d.say(fine, "replicas", n.Addr, "", "%d", n.Replicas)
		}
	}
}

const (
	// skewWarning is what a worker warns of, too; at skewProblem, asynq's leases of 30 seconds end before they begin.
	skewWarning = 2 * time.Second
	skewProblem = 25 * time.Second
	// farAway is a round trip that is noticed: Redis is in another region.
	farAway = 5 * time.Millisecond
	// pushTrips are the round trips of a single push: fetch, permit, begin, end, acknowledge.
	pushTrips = 5
)

// clock is what was measured of one node.
type clock struct{ ahead, roundTrip time.Duration }

func (d *doctor) lookAtClocks(ctx context.Context, rdb redis.UniversalClient) {
	clocks := make(chan clock, 1024) // a Cluster has at most so many masters
	err := topology.EachMaster(ctx, rdb, func(ctx context.Context, node redis.UniversalClient) error {
		var c clock
		var err error
		c.ahead, c.roundTrip, err = topology.Clock(ctx, node)
		clocks <- c
		return err
	})
	close(clocks)
	if err != nil {
		d.cannot("clock", "", err)
		return
	}
	var worst clock
	for c := range clocks {
		if c.ahead.Abs() > worst.ahead.Abs() {
			worst.ahead = c.ahead
		}
		worst.roundTrip = max(worst.roundTrip, c.roundTrip)
	}
	const advice = "let both machines follow a time server (NTP)"
	off := "Redis's is within " + (worst.ahead.Abs() + time.Millisecond).Truncate(time.Millisecond).String() +
		" of this machine's"
	switch {
	case worst.ahead.Abs() > skewProblem:
		d.say(problem, "clock", "", advice, "%s: tasks under way count as those of a dead worker", off)
	case worst.ahead.Abs() > skewWarning:
		d.say(warning, "clock", "", advice, "%s: scheduled tasks go early or late", off)
	default:
		d.say(fine, "clock", "", "", "%s", off)
	}
	trip := worst.roundTrip
	means := fmt.Sprintf("%s: a push waits about %s for Redis, beside LINE; who enqueues one after the other does %d a "+
		"second at most", trip.Round(10*time.Microsecond), (pushTrips * trip).Round(10*time.Microsecond),
		time.Second/max(trip, time.Microsecond))
	if worst.roundTrip > farAway {
		d.say(warning, "round trip", "", "run workers and producers near Redis; enqueue many at once with EnqueueAll", "%s",
			means)
		return
	}
	d.say(fine, "round trip", "", "", "%s", means)
}
