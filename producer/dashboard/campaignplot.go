package dashboard

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/lineq/lineq/tasks/campaign"
)

// plot is a campaign's rate over time: a step for each bucket of its pace, on a ground that is 1,000 by 100.
type plot struct {
	Line, Area string // paths of SVG
	Most       float64
	Marks      []float64 // of the axis of the rate, from the top; the last is 0
	Times      []string  // of the axis of the time, from the left
	Alt        string    // the same in words
	Rows       []plotRow // the same in at most 24 rows
	Peak       float64
	Mean       float64
	Bucket     time.Duration
}

type plotRow struct {
	At      time.Time
	Decided int64
	Rate    float64
}

// maxPlotRows is how many rows the table beside a plot has.
const maxPlotRows = 24

// Empty tells whether there is nothing to see.
func (p plot) Empty() bool { return p.Line == "" }

func plotOf(p campaign.Pace, sum campaign.Summary) plot {
	if len(p.Decided) == 0 {
		return plot{}
	}
	begin, end := p.Start, p.End()
	if sum.StartedAt != nil && sum.StartedAt.After(begin) {
		begin = *sum.StartedAt
	}
	switch {
	case sum.FinishedAt != nil:
		end = minTime(end, *sum.FinishedAt)
	case sum.State == campaign.StateSending:
		end = p.Now
	default:
		end = minTime(end, p.Now)
	}
	shown := plot{Bucket: p.Bucket}
	buckets := max(len(p.Decided), int((end.Sub(p.Start)+p.Bucket-1)/p.Bucket))
	rates := make([]float64, buckets)
	decided := make([]int64, buckets)
	copy(decided, p.Decided)
	var all int64
	for i := range rates {
		from, to := p.Start.Add(time.Duration(i)*p.Bucket), p.Start.Add(time.Duration(i+1)*p.Bucket)
		// The first and the last bucket count for as long as the campaign was in them, but no moment makes a peak.
		took := minTime(to, end).Sub(maxTime(from, begin))
		if buckets > 1 || took <= 0 {
			took = max(took, p.Bucket/2)
		}
		rates[i] = float64(decided[i]) / max(took, p.Bucket/4).Seconds()
		all += decided[i]
		shown.Peak = max(shown.Peak, rates[i])
	}
	shown.Mean = float64(all) / max(end.Sub(begin), p.Bucket/4).Seconds()
	shown.Most = roundUp(shown.Peak)
	shown.Marks = []float64{shown.Most, shown.Most / 2, 0}
	var line strings.Builder
	x := func(i int) string { return short(1000 * float64(i) / float64(buckets)) }
	for i, r := range rates {
		y := short(100 - 100*r/shown.Most)
		if i == 0 {
			line.WriteString("M0 " + y)
		} else {
			line.WriteString("V" + y)
		}
		line.WriteString("H" + x(i+1))
	}
	shown.Line = line.String()
	shown.Area = shown.Line + "V100H0Z"
	last := p.Start.Add(time.Duration(buckets) * p.Bucket)
	layout := time.TimeOnly
	if last.Sub(p.Start) > 20*time.Hour {
		layout = "01-02 15:04"
	}
	for i := range 3 {
		shown.Times = append(shown.Times, p.Start.Add(last.Sub(p.Start)*time.Duration(i)/2).UTC().Format(layout))
	}
	shown.Alt = "From " + begin.UTC().Format(time.DateTime) + " to " + end.UTC().Format(time.DateTime) + " UTC, on average " +
		rateText(shown.Mean) + " recipients a second, at most " + rateText(shown.Peak) + "."
	step := (buckets + maxPlotRows - 1) / maxPlotRows
	for i := 0; i < buckets; i += step {
		row := plotRow{At: p.Start.Add(time.Duration(i) * p.Bucket)}
		n := min(step, buckets-i)
		for k := range n {
			row.Decided += decided[i+k]
			row.Rate += rates[i+k] / float64(n)
		}
		shown.Rows = append(shown.Rows, row)
	}
	return shown
}

// roundUp is the next number that an axis can end at.
func roundUp(n float64) float64 {
	if n <= 0 {
		return 1
	}
	ten := math.Pow(10, math.Floor(math.Log10(n)))
	for _, m := range []float64{1, 2, 4, 5, 10} {
		if n <= m*ten {
			return m * ten
		}
	}
	return 10 * ten
}

func short(n float64) string { return strconv.FormatFloat(math.Round(n*10)/10, 'f', -1, 64) }

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func maxTime(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
