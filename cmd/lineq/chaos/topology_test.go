package chaos_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/redistest"
)

// given is a Redis that somebody else runs for the run: as a Cluster, behind sentinels, with TLS. Nothing happens to it, since
// a failover may lose what wasn't replicated, and then nobody could be judged; what a failover does is in TestFailover,
// TestACluster and TestFailoverInACampaign of package worker.
type given struct {
	url    string // for the processes
	client redis.UniversalClient
}

// little is for these: workers die and freeze, and LINE strikes, as in the others. A roll-over would
// take longer than the sends: what came after it would meet empty queues.
var little = form{
	name: "little", pushes: 1200, multicasts: 60, refused: 10, replies: 40, links: 25, broadcasts: 2, narrowcasts: 2,
	operated: 20, workers: 3,
	mailings: []mailingForm{
		{mode: campaign.Multicast, recipients: 3000}, {mode: campaign.Push, recipients: 500},
		{mode: campaign.Push, recipients: 400, cancelled: true},
	},
	small:  2,
	deck:   deck{workers: map[event]int{killWorker: 3, freezeWorker: 1}},
	window: 6 * time.Second, deadline: 3 * time.Minute,
}

// TestChaosOnTopologies is chaos on Redis in the other ways in which it is run.
func TestChaosOnTopologies(t *testing.T) {
	for name, start := range map[string]func(t *testing.T) given{
		"TLS with certificates of the clients": func(t *testing.T) given {
			s := redistest.StartTLS(t, redistest.NewCertificates(t))
			return given{s.URL(), s.Client(t)}
		},
		"Sentinel": func(t *testing.T) given {
			s := redistest.StartSentinels(t)
			return given{s.URL(), s.Client(t)}
		},
		"Cluster": func(t *testing.T) given {
			c := redistest.StartCluster(t)
			return given{c.URL(), c.Client(t)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t)
			(&run{form: little, given: &g}).play(t)
		})
	}
}
