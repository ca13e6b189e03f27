package dashboard_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
)

// TestCampaignInBrowser: a campaign is watched from its start to its end in one page, paused and resumed on the way; one is
// cancelled; a failure is read, and the failed of one are sent to again.
func TestCampaignInBrowser(t *testing.T) {
	s := newStage(t)
	b := newTab(t, s, 1280, 800, "light")
	b.login()
	s.work(t)
	s.campaign(t, "spring-sale", 600, func(c *producer.Campaign) { c.Rate = 100 })
	b.click(`nav a[href$="campaigns"]`)
	b.click(`#list a[href$="campaigns/spring-sale"]`)
	look(t, b, chromedp.Evaluate[bool](`window.loadedOnce = true`))
	b.sees("#standing .tag", "sending")
	b.sees("#pace figcaption", "now")
	require.Positive(t, look(t, b, chromedp.Evaluate[int](`document.querySelectorAll("#pace path.line").length`)))

	b.click(`#controls a[href$="/pause"]`)
	b.sees("dl.facts", "600")
	b.enter("#note", "wait for the shop")
	b.click("main form button")
	b.sees(".said", "paused")
	b.sees("#standing", "operator: wait for the shop")
	look(t, b, chromedp.Evaluate[bool](`window.loadedOnce = true`))
	b.click(`#controls a[href$="/resume"]`)
	b.sees("dl.facts", "at most")
	b.click("main form button")
	b.sees(".said", "goes on")
	look(t, b, chromedp.Evaluate[bool](`window.loadedOnce = true`))
	b.sees("#standing .tag", "finished")
	b.sees("#standing dd", "100 %")
	b.sees("#story", "everybody was sent to")
	assert.True(t, look(t, b, chromedp.Evaluate[bool](`window.loadedOnce === true`)), "it was loaded again")
	assert.Equal(t, "600", look(t, b, chromedp.Evaluate[string](
		`document.querySelector("[role=progressbar]").getAttribute("aria-valuenow")`)))
	b.click("#pace-table summary")
	b.do(chromedp.WaitVisible(chromedp.CSS("#pace-table table")))

	s.campaign(t, "mistake", 50, func(c *producer.Campaign) { c.At = time.Now().Add(time.Hour) })
	b.open("campaigns/mistake")
	b.click(`#controls a[href$="/cancel"]`)
	b.sees("h1", "Cancel mistake")
	b.click("main form button.danger")
	b.sees("#standing .tag", "cancelled")

	s.refusing(t, 5)
	s.campaign(t, "news", 40)
	b.open("campaigns/news")
	b.sees("#failures", "invalid")
	b.sees("#standing .tag", "finished_with_failures")
	b.click(`#failures a[href*="reason=invalid"]`)
	b.sees("tbody", "U0000…")
	b.click("h1 a")
	b.click(`#controls a[href$="/retry"]`)
	b.sees("dl.facts", "at most 5")
	b.click("main form button")
	b.sees("h1", "news-retry-1")
	b.sees("#standing .tag", "finished")
}

// TestCampaignScreenshots opens the campaign pages, wide and narrow, light and dark: nothing makes them scroll sideways. With
// -screenshots and -everything it keeps pictures of them.
func TestCampaignScreenshots(t *testing.T) {
	s := newStage(t)
	s.work(t)
	require.NoError(t, s.sim.SetFaults([]linesim.Fault{
		{Kind: linesim.FaultRefuse, Operation: "pushMessage", Count: 60, Share: 0.1, Status: 400},
	}))
	s.campaign(t, "members-june", 800, func(c *producer.Campaign) { c.Rate = 200 })
	s.ends(t, "members-june")
	s.campaign(t, "autumn-preview", 40, func(c *producer.Campaign) { c.At = time.Now().Add(time.Hour) })
	s.campaign(t, "spring-sale", 2000, func(c *producer.Campaign) { c.Rate = 60; c.MaxFailures = 0.2 })
	require.Eventually(t, func() bool {
		sum, err := s.q.CampaignSummary(t.Context(), "spring-sale")
		return err == nil && sum.Sent > 400
	}, 30*time.Second, 50*time.Millisecond)
	for _, width := range []int{1280, 390} {
		for _, scheme := range []string{"light", "dark"} {
			b := newTab(t, s, width, 900, scheme)
			b.login()
			for name, path := range map[string]string{
				"list": "campaigns", "sending": "campaigns/spring-sale", "ended": "campaigns/members-june",
				"failures": "campaigns/members-june/failures", "retry": "campaigns/members-june/retry",
			} {
				b.open(path)
				assert.LessOrEqual(t, look(t, b, chromedp.Evaluate[int](`document.scrollingElement.scrollWidth - innerWidth`)), 0, path)
				shoot(t, b, fmt.Sprintf("campaign_%s-%d-%s", name, width, scheme), chromedp.FullScreenshot(100))
			}
		}
	}
}
