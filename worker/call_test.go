package worker

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
)

// silence is a LINE that never answers.
type silence struct{}

func (silence) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// TestCallIsGivenUp: another run takes an attempt for dead two seconds after the timeout that begin was told, so the call
// must not outlive it.
func TestCallIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, err := lineapi.New(lineapi.Config{
			Token: lineapi.StaticToken("t"), Origin: "http://line.test", DataOrigin: "http://line.test",
			HTTPClient: &http.Client{Transport: silence{}},
		})
		require.NoError(t, err)
		policy, err := tasks.PolicyOf(tasks.KindPush)
		require.NoError(t, err)
		j := &job{client: client, policy: policy}
		j.Task = tasks.Push{To: "U0123456789abcdef0123456789abcdef", Messages: []lineapi.Message{lineapi.Text("hi")}}
		w := &Worker{sends: context.Background()}
		begun := time.Now()
		a := w.call(t.Context(), j, record.Begun{Attempts: 1})
		assert.Equal(t, lineapi.Network, lineapi.ReasonOf(a.err))
		assert.Equal(t, policy.CallTimeout, time.Since(begun))
	})
}
