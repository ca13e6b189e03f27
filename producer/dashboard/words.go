package dashboard

import (
	"crypto/sha256"
	"fmt"
	"html/template"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
)

// words are what templates write with.
var words = template.FuncMap{
	"count": count, "rate": rateText, "percent": percent, "time": timeTag, "ago": ago, "lasting": lasting, "plural": plural,
	"after":      func(i int) int { return i + 1 },
	"isTask":     func(k tasks.Kind) bool { _, err := tasks.PolicyOf(k); return err == nil },
	"isCampaign": func(k tasks.Kind) bool { return k == campaign.KindCampaign },
	"seconds":    func(s float64) string { return lasting(time.Duration(s * float64(time.Second))) },
	"sumOf":      func(x, y float64) float64 { return x + y },
	"progress":   progress, "since": func(now, at time.Time) time.Duration { return max(0, now.Sub(at)) },
	"rows": func(f *frame, rows any) table { return table{f.Root, f.Now, rows} },
}

// table is what a template of parts.html gets that shows rows.
type table struct {
	Root string
	Now  time.Time
	Rows any
}

// count is a whole number, of any integer type, in groups of three.
func count(number any) string {
	n := reflect.ValueOf(number).Int()
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// plural is a number with its noun, whose plural has an s.
func plural(number any, noun string) string {
	text := count(number) + " " + noun
	if text == "1 "+noun {
		return text
	}
	return text + "s"
}

// rateText is a rate per second in three digits.
func rateText(perSecond float64) string {
	switch {
	case perSecond <= 0:
		return "0"
	case perSecond < 0.01:
		return strconv.FormatFloat(perSecond, 'f', 4, 64)
	case perSecond < 1:
		return strconv.FormatFloat(perSecond, 'f', 2, 64)
	case perSecond < 100:
		return strings.TrimSuffix(strconv.FormatFloat(perSecond, 'f', 1, 64), ".0")
	}
	return count(int64(math.Round(perSecond)))
}

// percent is a part of a whole, which 0 and 100 are told of only when it is nothing or all.
func percent(part, whole float64) string {
	if whole <= 0 {
		return "–"
	}
	p := 100 * part / whole
	switch {
	case p > 0 && p < 1:
		return "<1 %"
	case p > 99 && p < 100:
		return "99 %"
	}
	return fmt.Sprintf("%.0f %%", p)
}

// timeTag is a moment for people and programs, in UTC; nothing for none.
func timeTag(at any) template.HTML {
	var t time.Time
	switch at := at.(type) {
	case time.Time:
		t = at
	case *time.Time:
		if at != nil {
			t = *at
		}
	}
	if t.IsZero() {
		return "–"
	}
	t = t.UTC()
	return template.HTML(`<time datetime="` + t.Format(time.RFC3339Nano) + `">` + t.Format("2006-01-02 15:04:05") + `</time>`)
}

// ago is how long before now something was, or how long after it will be.
func ago(now time.Time, at any) string {
	var t time.Time
	switch at := at.(type) {
	case time.Time:
		t = at
	case *time.Time:
		if at != nil {
			t = *at
		}
	}
	switch d := now.Sub(t); {
	case t.IsZero():
		return ""
	case d <= -time.Second:
		return "in " + lasting(-d)
	case d < time.Second:
		return "now"
	default:
		return lasting(d) + " ago"
	}
}

// lasting is a duration in its largest unit, and the next where that makes a difference.
func lasting(d time.Duration) string {
	switch s := int64(d / time.Second); {
	case d < time.Second:
		return "less than 1 s"
	case s < 100:
		return fmt.Sprintf("%d s", s)
	case s < 100*60:
		return fmt.Sprintf("%d min", s/60)
	case s < 48*3600:
		return fmt.Sprintf("%d h %d min", s/3600, s/60%60)
	default:
		return fmt.Sprintf("%d days", s/86400)
	}
}

// sum is a short fingerprint.
func sum(b []byte) []byte {
	h := sha256.Sum256(b)
	return h[:8]
}
