package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/producer/audience"
	"github.com/lineq/lineq/tasks/campaign"
)

// openAudience opens the file of recipients, or stdin for "-". size is in bytes, -1 where it isn't known.
func (a *app) openAudience(path string) (r *countingReader, size int64, close func() error, err error) {
	if path == "-" {
		return &countingReader{from: a.stdin}, -1, func() error { return nil }, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, nil, fileError(path, err)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		err = misusef("%s: it is a directory", path)
	case !info.Mode().IsRegular():
		return &countingReader{from: f}, -1, f.Close, nil
	}
	if err != nil {
		f.Close()
		return nil, 0, nil, err
	}
	return &countingReader{from: f}, info.Size(), f.Close, nil
}

// countingReader counts what is read through it.
type countingReader struct {
	from io.Reader
	n    atomic.Int64
}

func (r *countingReader) Read(b []byte) (int, error) {
	n, err := r.from.Read(b)
	r.n.Add(int64(n))
	return n, err
}

// readAudience reads recipients; its errors name the file.
func readAudience(source string, from io.Reader) iter.Seq2[producer.Recipient, error] {
	return func(yield func(producer.Recipient, error) bool) {
		for r, err := range audience.Read(from) {
			var bad *campaign.RowError
			if err != nil && !errors.As(err, &bad) {
				err = &audienceError{source, err}
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// audienceError is of a file that can't be read as an audience, or no further.
type audienceError struct {
	source string
	err    error
}

func (e *audienceError) Error() string {
	return e.source + ": " + strings.TrimPrefix(e.err.Error(), "audience: ")
}

func (e *audienceError) Unwrap() error { return e.err }

// intakeView shows how far the reading of an audience has come.
type intakeView struct {
	w     io.Writer
	bar   *progressbar.ProgressBar // nil: plain lines
	begun time.Time
	told  time.Time
	read  *atomic.Int64
	size  int64 // of what is read, -1: not known
	rate  meter
}

func (a *app) newIntakeView(now time.Time, read *atomic.Int64, size int64) *intakeView {
	v := &intakeView{w: a.stderr, begun: now, told: now, read: read, size: size}
	if isTerminal(v.w) && a.getenv("TERM") != "dumb" {
		v.bar = progressbar.NewOptions64(size, progressbar.OptionSetWriter(v.w), progressbar.OptionSetWidth(30),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(),
			progressbar.OptionShowDescriptionAtLineEnd())
	}
	return v
}

func (v *intakeView) show(now time.Time, t campaign.Totals) {
	v.rate.add(now, t.Recipients)
	text := fmt.Sprintf("%s recipients", count(t.Recipients))
	if rate := v.rate.perSecond(); rate > 0 {
		text += fmt.Sprintf(", %s/s", count(int64(rate+0.5)))
	}
	if t.Rejected > 0 {
		text += fmt.Sprintf(", %s rows rejected", count(t.Rejected))
	}
	if v.bar != nil {
		_ = v.bar.Set64(v.read.Load()) // a terminal that can't be written to is no reason to stop
		v.bar.Describe(text)           // which draws what was set
		return
	}
	if now.Sub(v.told) < plainEvery {
		return
	}
	v.told = now
	if read := v.read.Load(); v.size > 0 && read > 0 {
		left := time.Duration(float64(now.Sub(v.begun)) * float64(v.size-read) / float64(read))
		text += fmt.Sprintf(", %d %%, about %s left", 100*read/v.size, roughly(left))
	}
	fmt.Fprintln(v.w, text)
}

// end takes the bar away.
func (v *intakeView) end() {
	if v.bar != nil {
		_ = v.bar.Clear()
	}
}

// maxRejectedShown is how many rejected rows are told of one by one.
const maxRejectedShown = 10

// rejects takes the rows that can't be used: all of them into a file, if there is one, and the first few to stderr.
type rejects struct {
	a      *app
	source string // the audience's name
	view   *intakeView
	file   *os.File
	csv    *csv.Writer
	n      int
}

func (a *app) newRejects(source, path string, view *intakeView) (*rejects, error) {
	r := &rejects{a: a, source: source, view: view}
	if path == "" {
		return r, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, fileError(path, err)
	}
	r.file, r.csv = f, csv.NewWriter(f)
	return r, r.csv.Write([]string{"line", "reason"})
}

func (r *rejects) add(e campaign.RowError) {
	if r.n++; r.csv != nil {
		_ = r.csv.Write([]string{strconv.Itoa(e.Line), e.Reason}) // end tells of an error
	}
	if r.n <= maxRejectedShown {
		r.view.end() // it comes back below
		fmt.Fprintf(r.a.stderr, "%s:%d: %s\n", r.source, e.Line, e.Reason)
	}
}

// end closes the file.
func (r *rejects) end() error {
	if r.n > maxRejectedShown {
		where := "--rejected FILE takes them all"
		if r.file != nil {
			where = r.file.Name() + " has them all"
		}
		r.a.note("%s rows of %s can't be used: %s", count(int64(r.n)), r.source, where)
	}
	if r.file == nil {
		return nil
	}
	r.csv.Flush()
	if err := r.csv.Error(); err != nil {
		r.file.Close()
		return err
	}
	return r.file.Close()
}
