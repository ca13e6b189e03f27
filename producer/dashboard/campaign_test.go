package dashboard_test

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks/campaign"
)

// campaign makes one to n recipients, each of whom gets a push of its own.
func (s *stage) campaign(t testing.TB, id string, n int, change ...func(*producer.Campaign)) {
	t.Helper()
	cp := producer.Campaign{
		ID: id, Messages: []lineapi.Message{lineapi.Text(secret + " {{name}}")},
		To: func(yield func(producer.Recipient, error) bool) {
			for i := range n {
				if !yield(producer.Recipient{To: fmt.Sprintf("U%032x", i), Vars: map[string]string{"name": "you"}}, nil) {
					return
				}
			}
		},
	}
	for _, f := range change {
		f(&cp)
	}
	_, err := s.q.Campaign(t.Context(), cp)
	require.NoError(t, err)
}

// ends waits until a campaign has ended.
func (s *stage) ends(t testing.TB, id string) campaign.Summary {
	t.Helper()
	var sum campaign.Summary
	require.Eventually(t, func() bool {
		var err error
		sum, err = s.q.CampaignSummary(context.Background(), id)
		return err == nil && sum.State.Ended()
	}, 30*time.Second, 20*time.Millisecond)
	return sum
}

// refusing makes LINE refuse the next n sends.
func (s *stage) refusing(t testing.TB, n int) {
	t.Helper()
	require.NoError(t, s.sim.SetFaults([]linesim.Fault{{
		Kind: linesim.FaultRefuse, Operation: "pushMessage", Count: n, Status: 400,
	}}))
}

// What has failed is told by reason, with examples and a list, and nobody's id or text.
func TestCampaignFailures(t *testing.T) {
	for name, o := range map[string]struct {
		settings []setting
		shown    bool
	}{"masked": {nil, false}, "shown": {[]setting{showContent}, true}} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, o.settings...)
			s.refusing(t, 130)
			s.campaign(t, "sale", 150)
			stop := s.work(t)
			sum := s.ends(t, "sale")
			stop()
			require.EqualValues(t, 130, sum.Failed)
			b := s.as(t, "all")
			body := b.see("campaigns/sale")
			assert.Contains(t, body, `aria-valuemax="150" aria-valuenow="150" aria-valuetext="150 of 150: 20 sent, 130 failed, 0 unknown"`)
			assert.Contains(t, body, `campaigns/sale/failures?reason=invalid">invalid</a></th><td data-label="Recipients" class="number">130<`)
			has := func(page, text string) { t.Helper(); assert.True(t, strings.Contains(page, text), text) }
			has(body, "No. ")
			has(body, "Finished with failures")
			has(body, `<path class="line" d="M0 `)
			first := b.see("campaigns/sale/failures?reason=invalid")
			assert.Equal(t, 100, strings.Count(first, `<td data-label="No."`))
			next := regexp.MustCompile(`campaigns/sale/failures\?from=[0-9]+&amp;reason=invalid`).FindString(first)
			require.NotEmpty(t, next, "a link to the next page")
			second := b.see(html.UnescapeString(next))
			assert.Equal(t, 30, strings.Count(second, `<td data-label="No."`))
			for _, page := range []string{body, first, second} {
				assert.False(t, strings.Contains(page, "<script>alert"))
				assert.Equal(t, o.shown, regexp.MustCompile(`U[0-9a-f]{32}`).MatchString(page))
			}
			assert.Equal(t, o.shown, strings.Contains(body, "only the recipient may see"))
			for _, entry := range s.logged.All() {
				assert.NotRegexp(t, `U[0-9a-f]{32}`, fmt.Sprint(entry.ContextMap()))
			}
		})
	}
}

// Each action asks first, naming channel, recipients and quota cost; doing it twice does no harm, and says so.
func TestCampaignControls(t *testing.T) {
	s := newStage(t)
	s.refusing(t, 3)
	s.campaign(t, "sale", 40)
	s.campaign(t, "gone", 30, func(c *producer.Campaign) { c.At = time.Now().Add(time.Hour) })
	b := s.as(t, "all")
	for _, x := range []struct {
		what       string // "ask" or "do"
		path       string
		says       []string // of a question
		leads, but string   // to where it leads
	}{
		{"ask", "sale/pause", []string{"Channel</dt><dd>default", "Recipients</dt><dd>40", "Quota cost"}, "", ""},
		{"do", "sale/pause", nil, "campaigns/sale?said=campaign-paused", ""},
		{"do", "sale/pause", nil, "campaigns/sale?said=campaign-paused-before", ""},
		{"ask", "sale/pause", nil, "campaigns/sale?said=campaign-paused-before", ""},
		{"ask", "sale/resume", []string{"Channel</dt><dd>default", "40 pending recipients", "Quota cost</dt><dd>at most 40", "operator: &lt;script&gt;"}, "", ""},
		{"do", "sale/resume", nil, "campaigns/sale?said=campaign-resumed", ""},
		{"do", "sale/resume", nil, "campaigns/sale?said=campaign-not-paused", ""},
		{"ask", "sale/retry", nil, "campaigns/sale?said=campaign-not-ended", ""},
		{"do", "sale/retry", nil, "campaigns/sale?said=campaign-not-ended", ""},
		{"ask", "gone/cancel", []string{"Channel</dt><dd>default", "30 recipients who are pending", `class="danger"`, "Quota cost"}, "", ""},
		{"do", "gone/cancel", nil, "campaigns/gone?said=campaign-cancelled", ""},
		{"do", "gone/cancel", nil, "campaigns/gone?said=campaign-cancelled-before", ""},
		{"ask", "gone/cancel", nil, "campaigns/gone?said=campaign-cancelled-before", ""},
		{"do", "gone/pause", nil, "campaigns/gone?said=campaign-ended", ""},
		{"do", "gone/resume", nil, "campaigns/gone?said=campaign-ended", ""},
		{"ask", "gone/retry", nil, "campaigns/gone?said=campaign-nobody", ""},
		{"do", "gone/retry", nil, "campaigns/gone?said=campaign-nobody", ""},
	} {
		t.Run(x.what+" "+x.path, func(t *testing.T) {
			var got page
			if x.what == "ask" {
				got = b.get("campaigns/" + x.path)
			} else {
				got = b.post("campaigns/"+x.path, url.Values{"note": {"<script>alert(1)</script>"}})
			}
			if x.leads != "" {
				assert.Equal(t, http.StatusSeeOther, got.status, got.body)
				assert.True(t, strings.HasSuffix(got.location, x.leads), got.location)
				return
			}
			assert.Equal(t, http.StatusOK, got.status)
			for _, text := range x.says {
				assert.True(t, strings.Contains(got.body, text), text)
			}
			assert.NotContains(t, got.body, "<script>alert")
		})
	}

	stop := s.work(t)
	require.EqualValues(t, 3, s.ends(t, "sale").Failed)
	stop()
	ask := b.see("campaigns/sale/retry")
	for _, text := range []string{"Channel</dt><dd>default", "Recipients</dt><dd>3<", "Quota cost</dt><dd>at most 3<", "Send to 3 recipients"} {
		assert.Contains(t, ask, text)
	}
	for _, code := range []string{"campaign-retried", "campaign-retried-before"} {
		got := b.post("campaigns/sale/retry", nil)
		assert.True(t, strings.HasSuffix(got.location, "campaigns/sale-retry-1?said="+code), got.location)
	}
	sum, err := s.q.CampaignSummary(t.Context(), "sale-retry-1")
	require.NoError(t, err)
	assert.EqualValues(t, 3, sum.Recipients)
	assert.Contains(t, b.see("campaigns/sale-retry-1?said=campaign-retried-before"), "nobody is sent to twice")
	assert.Equal(t, http.StatusBadRequest, b.post("campaigns/sale-retry-1/resume", url.Values{"max_failures": {"many"}}).status)
}

// Who may only read sees no buttons, and can't do anything.
func TestCampaignScopes(t *testing.T) {
	s := newStage(t)
	s.campaign(t, "sale", 5, func(c *producer.Campaign) { c.At = time.Now().Add(time.Hour) })
	b := s.as(t, "reader")
	body := b.see("campaigns/sale")
	for _, what := range []string{"pause", "resume", "cancel", "retry", "retry-unknown"} {
		assert.NotContains(t, body, "sale/"+what)
		assert.Equal(t, http.StatusForbidden, b.get("campaigns/sale/"+what).status, what)
		assert.Equal(t, http.StatusForbidden, b.post("campaigns/sale/"+what, nil).status, what)
		foreign := b.request(http.MethodPost, "campaigns/sale/"+what, "")
		foreign.Header.Set("Sec-Fetch-Site", "cross-site")
		assert.Equal(t, http.StatusForbidden, s.as(t, "all").do(foreign).status, what)
	}
	sum, err := s.q.CampaignSummary(t.Context(), "sale")
	require.NoError(t, err)
	assert.Equal(t, campaign.StateReady, sum.State)
	assert.Contains(t, body, "Not before")
}

func TestCampaignList(t *testing.T) {
	s := newStage(t)
	later := func(c *producer.Campaign) { c.At = time.Now().Add(time.Hour) }
	for i := range 60 {
		s.campaign(t, fmt.Sprintf("c-%02d", i), 1, later)
	}
	_, err := s.q.PauseCampaign(t.Context(), "c-07", "")
	require.NoError(t, err)
	b := s.as(t, "reader")
	rows := func(path string) int { return strings.Count(b.see(path), `<th scope="row"><a href=`) }
	assert.Equal(t, 50, rows("campaigns"))
	assert.Contains(t, b.see("campaigns"), "1 to 50 of 60")
	assert.True(t, strings.Contains(b.see("campaigns"), `campaigns?channel=&amp;from=50&amp;state="`))
	assert.Equal(t, 10, rows("campaigns?channel=&from=50&state="))
	assert.Equal(t, 1, rows("campaigns?state=paused"))
	assert.Equal(t, 0, rows("campaigns?channel=other"))
	assert.Equal(t, http.StatusBadRequest, b.get("campaigns?state=wild").status)
	assert.Equal(t, http.StatusBadRequest, b.get("campaigns?from=-1").status)
	assert.Equal(t, http.StatusNotFound, b.get("campaigns/nothing").status)
	assert.Equal(t, http.StatusNotFound, b.get("campaigns/c-01/failures?reason=auth").status)
	assert.Equal(t, http.StatusBadRequest, b.get("campaigns/c-01/failures?from=x").status)
}
