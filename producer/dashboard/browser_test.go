package dashboard_test

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/channel"
	"github.com/lineq/lineq/tasks/redistest"
)

var (
	screenshots = flag.String("screenshots", "", "write the README's screenshots into this folder")
	everything  = flag.Bool("everything", false, "with -screenshots: of every page")
)

// tab is one of Chromium's, at a stage's dashboard.
type tab struct {
	t   *testing.T
	ctx context.Context
	url string
}

// newTab starts Chromium, and fails the test for errors in its console and for requests to other hosts than the stage's.
func newTab(t *testing.T, s *stage, width, height int, scheme string) *tab {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("chromium isn't on the PATH, and CI must skip nothing")
		}
		t.Skipf("%s SKIPPED: it needs Chromium on the PATH (Debian: apt-get install chromium)", t.Name())
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	allocated, end := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(end)
	ctx, end := chromedp.NewContext(allocated)
	t.Cleanup(end)
	b := &tab{t, ctx, s.url}
	require.NoError(t, chromedp.Do(ctx))

	var mu sync.Mutex
	var wrong []string
	host, err := url.Parse(s.url)
	require.NoError(t, err)
	require.NoError(t, chromedp.Listen(ctx, func(ev any) {
		mu.Lock()
		defer mu.Unlock()
		switch ev := ev.(type) {
		case *network.EventRequestWillBeSent:
			if u, err := url.Parse(ev.Request.URL); err == nil && u.Host != host.Host {
				wrong = append(wrong, "request to "+ev.Request.URL)
			}
		case *runtime.EventExceptionThrown:
			wrong = append(wrong, "exception: "+ev.ExceptionDetails.Text)
		case *runtime.EventConsoleAPICalled:
			if ev.Type == "error" {
				wrong = append(wrong, "error in the console")
			}
		case *log.EventEntryAdded:
			if ev.Entry.Source == "security" {
				wrong = append(wrong, ev.Entry.Text)
			}
		}
	}))
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		assert.Empty(t, wrong)
	})
	_, err = chromedp.Run(ctx, func(ctx context.Context, t *chromedp.Target) (cdp.Empty, error) {
		_, err := cdp.Call(ctx, t, network.Enable, network.EnableParams{})
		if err == nil {
			_, err = cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			})
		}
		return cdp.Empty{}, err
	})
	require.NoError(t, err)
	b.do(chromedp.EmulateViewport(int64(width), int64(height)))
	return b
}

// do takes steps, each of which must come to an end.
func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	require.NoError(b.t, chromedp.Do(ctx, steps...))
}

func (b *tab) open(path string) { b.t.Helper(); b.do(chromedp.Navigate(b.url + path)) }

func (b *tab) click(selector string) {
	b.t.Helper()
	b.do(chromedp.WaitVisible(chromedp.CSS(selector)), chromedp.Click(chromedp.CSS(selector)))
}

func (b *tab) enter(selector, text string) {
	b.t.Helper()
	b.do(chromedp.WaitVisible(chromedp.CSS(selector)), chromedp.SendKeys(chromedp.CSS(selector), text))
}

// sees waits until an element has a text. The page may change while it does.
func (b *tab) sees(selector, text string) {
	b.t.Helper()
	found := func() bool {
		ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
		defer cancel()
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](fmt.Sprintf(
			`[...document.querySelectorAll(%q)].some((e) => e.textContent.includes(%q))`, selector, text)))
		return err == nil && ok
	}
	if !assert.Eventually(b.t, found, 20*time.Second, 50*time.Millisecond, "%s has no %q", selector, text) {
		b.t.Fatal(look(b.t, b, chromedp.TextContent(chromedp.CSS("main"))))
	}
}

// look gets something.
func look[T any](t *testing.T, b *tab, a chromedp.Action[T]) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	require.NoError(t, err)
	return v
}

// login does it as a person would.
func (b *tab) login() {
	b.t.Helper()
	b.open("")
	b.enter("#key", "all-key\r")
	b.sees("#figures", "Workers")
}

// TestBrowser walks through the pages as an operator does on a bad day.
func TestBrowser(t *testing.T) {
	s := newStage(t)
	b := newTab(t, s, 1280, 800, "light")
	b.login()

	// The overview follows what happens, without being loaded again.
	look(t, b, chromedp.Evaluate[bool](`window.loadedOnce = true`))
	b.sees("#live", "live")
	s.push(t, "order-1", producer.After(time.Hour))
	b.sees("#figures div", "Wait for their time1")
	stop := s.work(t)
	b.sees("#figures div", "Workers1")
	assert.True(t, look(t, b, chromedp.Evaluate[bool](`window.loadedOnce === true`)))

	// A failure is read, down to what LINE said.
	require.NoError(t, s.sim.SetFaults([]linesim.Fault{
		{Kind: linesim.FaultRefuse, Count: 1, Status: 503}, {Kind: linesim.FaultRefuse, Count: 1, Status: 400},
	}))
	s.push(t, "order-2")
	s.decided(t, "order-2")
	b.click(`nav a[href$="log"]`)
	b.do(chromedp.WaitVisible(chromedp.CSS("select[name=outcome]")), chromedp.SetValue(chromedp.CSS("select[name=outcome]"), "unknown"))
	b.click(".search button")
	b.click(`#lines a[href$="order-2"]`)
	b.sees("#story", "Attempt 1: server")
	b.sees("#story", "Unknown: LINE may have it")

	// It is run again, after a question, and the page shows how it goes out.
	b.click(`a[href$="/run"]`)
	b.sees("h1", "Run order-2 now")
	b.click("main form button")
	b.sees(".said", "goes out")
	b.sees("#story", "Sent: LINE accepted it")

	// What a recipient was sent is found, and the id isn't in the address.
	b.click(`nav a[href$="log"]`)
	b.enter("input[name=recipient]", user+"\r")
	b.do(chromedp.WaitVisible(chromedp.CSS(".search a.button")))
	b.sees("#lines", "order-2")
	at := look(t, b, chromedp.Location())
	assert.Contains(t, at, "to=")
	assert.NotContains(t, at, user)

	// A channel is held, and the overview says why.
	b.open("channels/default/hold")
	b.enter("#note", "complaints")
	b.click("main form button")
	b.sees("#holds", "complaints")
	b.open("")
	b.sees("#alarms", "complaints")

	// Redis goes away: what is seen is told to be old.
	stop()
	b.sees("#live", "live")
	require.NoError(t, s.rdb.Close())
	b.sees("#live", "what you see is old")
}

// TestNarrow opens every page on a telephone: nothing makes it scroll sideways, and everything has a name.
func TestNarrow(t *testing.T) {
	s := newStage(t)
	populate(t, s)
	b := newTab(t, s, 390, 844, "dark")
	b.login()
	for _, path := range append(everyPage, "channels/"+longName, "tasks/default/late-"+strings.Repeat("x", 100)) {
		b.open(path)
		assert.LessOrEqual(t, look(t, b, chromedp.Evaluate[int](`document.scrollingElement.scrollWidth - innerWidth`)), 0, path)
		assert.Empty(t, look(t, b, chromedp.Evaluate[[]string](`[...document.querySelectorAll("a, button, input:not([type=hidden]), select, meter, progress")]
			.filter((e) => !(e.textContent.trim() || e.getAttribute("aria-label") || (e.labels && e.labels.length)))
			.map((e) => e.outerHTML)`)), path)
	}
}

const longName = "a-channel-with-a-rather-long-name"

// populate makes a day with some trouble.
func populate(t *testing.T, s *stage) {
	t.Helper()
	ctx := t.Context()
	require.NoError(t, channel.Register(ctx, s.rdb, "default", "shop", "news", longName))
	_, err := channel.Put(ctx, s.rdb, "shop", channel.Hold{
		Reason: lineapi.Auth, Note: "Authentication failed. Confirm that the access token is valid.", By: "worker 3f9a2c1e",
	})
	require.NoError(t, err)
	for i, name := range []string{"shop", "shop", "shop", "news"} {
		_, err := s.q.Enqueue(ctx, tasks.Push{To: user, Messages: []lineapi.Message{lineapi.Text("Your order has shipped.")}},
			producer.Channel(name), producer.ID("order-"+name+"-"+string(rune('1'+i))))
		require.NoError(t, err)
	}
	s.weekly(t)
	require.NoError(t, s.sim.SetFaults([]linesim.Fault{
		{Kind: linesim.FaultRefuse, Count: 1, Status: 503}, {Kind: linesim.FaultRefuse, Count: 1, Status: 400},
	}))
	s.work(t)
	s.push(t, "order-4711")
	s.decided(t, "order-4711")
	for _, id := range []string{"order-4712", "order-4713", "order-4714", "order-4715"} {
		s.push(t, id)
		s.decided(t, id)
	}
	items := make([]producer.Item, 900)
	for i := range items {
		items[i] = producer.Item{
			Task:    tasks.Push{To: user, Messages: []lineapi.Message{lineapi.Text("Your order has shipped.")}},
			Options: []producer.Option{producer.ID(fmt.Sprintf("shipped-%d", i))},
		}
	}
	_, err = s.q.EnqueueAll(ctx, items)
	require.NoError(t, err)
	_, err = s.q.Campaign(ctx, producer.Campaign{
		ID: "spring-sale", Rate: 250, Messages: []lineapi.Message{lineapi.Text("Hi {{name}}, 20% off until Sunday.")},
		To: func(yield func(producer.Recipient, error) bool) {
			for i := range 2000 {
				to := fmt.Sprintf("U%032x", i)
				if !yield(producer.Recipient{To: to, Vars: map[string]string{"name": "you"}}, nil) {
					return
				}
			}
		},
	})
	require.NoError(t, err)
	s.push(t, "order", producer.After(time.Hour))
	s.push(t, "late-"+strings.Repeat("x", 100), producer.After(3*time.Hour))
}

// TestScreenshots makes what the README shows: go test ./producer/dashboard -run TestScreenshots -screenshots screenshots
// With -everything it makes every page instead, wide and narrow, light and dark. Without a folder nothing is kept.
func TestScreenshots(t *testing.T) {
	s := stageOn(t, redistest.Start(t).Client(t))
	populate(t, s)
	if *everything {
		for _, width := range []int{1280, 390} {
			for _, scheme := range []string{"light", "dark"} {
				b := newTab(t, s, width, 900, scheme)
				b.login()
				for _, path := range append(everyPage, "tasks/default/order-4711", "channels/shop") {
					b.open(path)
					name := strings.NewReplacer("/", "_", "?", "_", "=", "_").Replace(path)
					shoot(t, b, fmt.Sprintf("page_%s-%d-%s", name, width, scheme), chromedp.FullScreenshot(100))
				}
			}
		}
		return
	}
	require.Eventually(t, func() bool {
		sum, err := s.q.CampaignSummary(t.Context(), "spring-sale")
		return err == nil && sum.Sent > 600
	}, 30*time.Second, 50*time.Millisecond)
	for name, o := range map[string]struct {
		path          string
		width, height int
		scheme        string
	}{
		"overview": {"", 1280, 900, "light"},
		"narrow":   {"", 390, 844, "dark"},
		"campaign": {"campaigns/spring-sale", 1280, 1000, "light"},
		"task":     {"tasks/default/order-4711", 1280, 960, "light"},
	} {
		b := newTab(t, s, o.width, o.height, o.scheme)
		b.login()
		b.open(o.path)
		b.sees("#live", "live")
		if o.path == "" {
			b.sees(`#channels td[data-label="Quota left"]`, ",")
		}
		shoot(t, b, name, chromedp.CaptureScreenshot())
	}
}

// shoot makes a picture, and keeps it where a folder is given.
func shoot(t *testing.T, b *tab, name string, picture chromedp.Action[[]byte]) {
	t.Helper()
	png := look(t, b, picture)
	require.Greater(t, len(png), 5<<10, "%s: there is nothing on it", name)
	if *screenshots != "" {
		require.NoError(t, os.WriteFile(filepath.Join(*screenshots, name+".png"), png, 0o644))
	}
}
