package main

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks/campaign"
)

func TestCount(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0", 7: "7", 999: "999", 1000: "1,000", 123456: "123,456", 1234567: "1,234,567", -999: "-999", -1000: "-1,000",
	} {
		assert.Equal(t, want, count(n))
	}
	assert.Empty(t, some(0))
}

func TestRoughly(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", time.Millisecond: "1 s", 59 * time.Second: "59 s", time.Minute: "1 min 0 s", 280 * time.Second: "4 min 40 s",
		2*time.Hour + 10*time.Minute: "2 h 10 min", 50 * time.Hour: "2 days 2 h",
	} {
		assert.Equal(t, want, roughly(d))
	}
}

func TestMeter(t *testing.T) {
	var m meter
	at := time.Unix(0, 0)
	assert.Zero(t, m.perSecond())
	m.add(at, 100)
	assert.Zero(t, m.perSecond())
	for range 600 { // a minute of 1,000 a second
		at = at.Add(100 * time.Millisecond)
		m.add(at, m.samples[len(m.samples)-1].n+100)
	}
	assert.InDelta(t, 1000, m.perSecond(), 1)
	assert.LessOrEqual(t, len(m.samples), 40)
	n := m.samples[len(m.samples)-1].n
	for range 400 { // 40 seconds of nothing
		at = at.Add(100 * time.Millisecond)
		m.add(at, n)
	}
	assert.Zero(t, m.perSecond())
}

// sending is a campaign that is a part done.
func sending(done int64) campaign.Summary {
	sum := campaign.Summary{
		ID: "spring-sale", Channel: "shop", State: campaign.StateSending, Recipients: 10_000, Sent: done,
		Pending: 10_000 - done,
	}
	if done >= 3000 {
		sum.Sent, sum.Failed, sum.Unknown = done-12, 10, 2
		sum.FailuresBy = map[lineapi.Reason]int64{lineapi.Network: 2, lineapi.Invalid: 10}
	}
	return sum
}

func TestCampaignViewPlain(t *testing.T) {
	var out strings.Builder
	v := &campaignView{w: &out}
	at := time.Unix(0, 0)
	for i := range 70 { // seven seconds of 500 a second
		v.show(at.Add(time.Duration(i)*100*time.Millisecond), sending(int64(i*50)))
	}
	v.note("a note")
	v.show(at.Add(time.Minute), sending(3500))
	v.show(at.Add(2*time.Minute), sending(3500)) // it stands still
	v.end()
	lines := strings.Split(out.String(), "\n")
	assert.Equal(t, "spring-sale: sending, 0 of 10,000 decided", lines[0])
	assert.Equal(t, "spring-sale: sending, 2,500 of 10,000 decided, 500/s, about 15 s left", lines[1])
	assert.Equal(t, "note: a note", lines[2])
	assert.Contains(t, lines[3], "3,500 of 10,000 decided, failures: invalid 10, network 2")
	assert.Len(t, lines, 6, out.String())
}

func TestCampaignViewTerminal(t *testing.T) {
	var out strings.Builder
	v := &campaignView{w: &out, terminal: true}
	at := time.Unix(0, 0)
	ready := sending(0)
	ready.State = campaign.StateReady
	v.note("it waits")
	v.show(at, ready)
	assert.Equal(t, "\r\x1b[Jspring-sale  ready  on channel shop\n"+strings.Repeat("░", 40)+"   0 %  0 of 10,000\n"+
		"sent 0  failed 0  unknown 0  pending 10,000\nit waits\n", out.String())
	out.Reset()
	v.show(at.Add(10*time.Second), sending(5000))
	assert.Equal(t, "\x1b[4A\r\x1b[Jspring-sale  sending  on channel shop\n"+
		strings.Repeat("█", 20)+strings.Repeat("░", 20)+"  50 %  5,000 of 10,000, 500/s, about 10\n"+ // cut at 80 columns
		"sent 4,988  failed 10  unknown 2  pending 5,000\nfailures: invalid 10, network 2\n", out.String())
	out.Reset()
	v.end()
	assert.Equal(t, "\x1b[4A\r\x1b[J", out.String())
	t.Run("at LINE's limits", func(t *testing.T) {
		sum := sending(5000)
		sum.Requests, sum.PermitWait = 4000, 1000
		assert.Contains(t, v.picture(sum), "each request waits 250ms for its turn within LINE's limits")
	})
	t.Run("nobody", func(t *testing.T) {
		assert.Contains(t, v.picture(campaign.Summary{})[1], "█ 100 %")
	})
}

func TestIntakeView(t *testing.T) {
	var out strings.Builder
	var read atomic.Int64
	at := time.Unix(0, 0)
	v := &intakeView{w: &out, begun: at, told: at, read: &read, size: 4000}
	for i := range int64(8) {
		read.Store(i * 300)
		v.show(at.Add(time.Duration(i)*time.Second), campaign.Totals{Recipients: i * 1000, Rejected: i / 5})
	}
	v.end()
	assert.Equal(t, "5,000 recipients, 1,000/s, 1 rows rejected, 37 %, about 9 s left\n", out.String())
}

func TestCampaignEnd(t *testing.T) {
	sum := campaign.Summary{ID: "x", State: campaign.StateFinished, Recipients: 1000}
	assert.NoError(t, campaignEnd(sum))
	sum.State, sum.Reason = campaign.StateCancelled, campaign.DryRun
	assert.NoError(t, campaignEnd(sum))
	for _, test := range []struct {
		state      campaign.State
		reason     lineapi.Reason
		says, hint string
	}{
		{campaign.StateFinishedWithFailures, "", "campaign x: 12 of 1,000 recipients failed, 3 are unknown", "lineq campaign failures x"},
		{campaign.StateCancelled, campaign.Operator, "was cancelled: 900 of 1,000 recipients were not sent to", "lineq campaign export x"},
		{campaign.StatePaused, campaign.Operator, "campaign x is paused (operator): a note", "lineq campaign resume x"},
		{campaign.StatePaused, campaign.Failures, "campaign x is paused (failures): a note", "lineq campaign resume x --max-failures"},
		{campaign.StatePaused, lineapi.Quota, "campaign x is paused (quota): a note", "lineq quota"},
		{campaign.StatePaused, lineapi.Invalid, "campaign x is paused (invalid): a note", "lineq campaign cancel x"},
	} {
		t.Run(string(test.state+" ")+string(test.reason), func(t *testing.T) {
			err := campaignEnd(campaign.Summary{
				ID: "x", State: test.state, Reason: test.reason, Note: "a note", Recipients: 1000, Sent: 100, Failed: 12, Unknown: 3,
			})
			assert.ErrorContains(t, err, test.says)
			assert.Contains(t, hintFor(err), test.hint)
			assert.Equal(t, 1, exitCode(err))
		})
	}
}
