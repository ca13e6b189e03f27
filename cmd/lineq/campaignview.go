package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/lineq/lineq/tasks/campaign"
)

// plainEvery is how often progress is told where no terminal is.
const plainEvery = 5 * time.Second

// campaignView shows how far a campaign has come: on a terminal in a few lines that are written over, elsewhere line by
// line.
type campaignView struct {
	w        io.Writer
	terminal bool
	drawn    int    // lines on the terminal
	hint     string // below them
	told     time.Time
	last     string
	rate     meter
}

func (a *app) newCampaignView() *campaignView {
	return &campaignView{w: a.stderr, terminal: isTerminal(a.stderr) && a.getenv("TERM") != "dumb"}
}

// show shows how the campaign stands at this moment.
func (v *campaignView) show(now time.Time, sum campaign.Summary) {
	v.rate.add(now, sum.Recipients-sum.Pending)
	if v.terminal {
		v.draw(v.picture(sum))
		return
	}
	if line := v.line(sum); line != v.last && now.Sub(v.told) >= plainEvery {
		v.last, v.told = line, now
		fmt.Fprintln(v.w, line)
	}
}

// note tells something beside it.
func (v *campaignView) note(text string) {
	if v.terminal {
		v.hint = text
		return
	}
	fmt.Fprintf(v.w, "note: %s\n", text)
}

// end takes the picture away: what follows tells all.
func (v *campaignView) end() {
	if v.terminal {
		v.draw(nil)
	}
}

func (v *campaignView) line(sum campaign.Summary) string {
	text := fmt.Sprintf("%s: %s, %s of %s decided", sum.ID, sum.State, count(sum.Recipients-sum.Pending), count(sum.Recipients))
	if by := failuresBy(sum); by != "" {
		text += ", failures: " + by
	}
	return text + v.speed(sum)
}

// speed is how fast it goes and how long it will take, as the end of a line.
func (v *campaignView) speed(sum campaign.Summary) string {
	rate := v.rate.perSecond()
	if sum.State != campaign.StateSending || rate <= 0 {
		return ""
	}
	left := time.Duration(float64(sum.Pending) / rate * float64(time.Second))
	return fmt.Sprintf(", %s/s, about %s left", count(int64(rate+0.5)), roughly(left))
}

const barWidth = 40

func (v *campaignView) picture(sum campaign.Summary) []string {
	done, part := sum.Recipients-sum.Pending, 1.0
	if sum.Recipients > 0 {
		part = float64(done) / float64(sum.Recipients)
	}
	full := int(part * barWidth)
	lines := []string{
		fmt.Sprintf("%s  %s  on channel %s", sum.ID, sum.State, sum.Channel),
		fmt.Sprintf("%s%s %3d %%  %s of %s%s", strings.Repeat("█", full), strings.Repeat("░", barWidth-full), int(100*part),
			count(done), count(sum.Recipients), v.speed(sum)),
		fmt.Sprintf("sent %s  failed %s  unknown %s  pending %s",
			count(sum.Sent), count(sum.Failed), count(sum.Unknown), count(sum.Pending)),
	}
	if by := failuresBy(sum); by != "" {
		lines = append(lines, "failures: "+by)
	}
	if wait := averageWait(sum); wait >= time.Millisecond {
		lines = append(lines, fmt.Sprintf("each request waits %s for its turn within LINE's limits", wait.Round(time.Millisecond)))
	}
	if sum.State == campaign.StateReady && v.hint != "" {
		lines = append(lines, v.hint)
	}
	return lines
}

// averageWait is how long a request has waited for its turn, on average.
func averageWait(sum campaign.Summary) time.Duration {
	if sum.Requests == 0 {
		return 0
	}
	return time.Duration(sum.PermitWait / float64(sum.Requests) * float64(time.Second))
}

// draw writes lines over those that it wrote before.
func (v *campaignView) draw(lines []string) {
	var b strings.Builder
	if v.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", v.drawn)
	}
	b.WriteString("\r\x1b[J")
	for _, l := range lines {
		b.WriteString(cut(l, terminalWidth(v.w)) + "\n")
	}
	v.drawn = len(lines)
	io.WriteString(v.w, b.String())
}

// terminalWidth is how many columns a line may have, so that it stays one.
func terminalWidth(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 80
}

func cut(s string, width int) string {
	if runes := []rune(s); len(runes) > width {
		return string(runes[:width])
	}
	return s
}

// meter says how fast a count rises, by what it was over the last half minute.
type meter struct{ samples []sample }

type sample struct {
	at time.Time
	n  int64
}

const (
	meterSpan = 30 * time.Second
	meterStep = time.Second
)

func (m *meter) add(now time.Time, n int64) {
	if last := len(m.samples) - 1; last > 0 && now.Sub(m.samples[last-1].at) < meterStep {
		m.samples[last] = sample{now, n}
		return
	}
	m.samples = append(m.samples, sample{now, n})
	for len(m.samples) > 2 && now.Sub(m.samples[1].at) >= meterSpan {
		m.samples = m.samples[1:]
	}
}

// perSecond is zero as long as nobody can say.
func (m *meter) perSecond() float64 {
	if len(m.samples) < 2 {
		return 0
	}
	first, last := m.samples[0], m.samples[len(m.samples)-1]
	if last.at.Sub(first.at) < meterStep/2 {
		return 0
	}
	return float64(last.n-first.n) / last.at.Sub(first.at).Seconds()
}
