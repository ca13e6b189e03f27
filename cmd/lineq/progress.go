package main

import (
	"fmt"
	"io"

	"github.com/schollz/progressbar/v3"
)

// progress shows how far something of a known length has come: as a bar on a terminal, elsewhere in a few plain lines.
type progress struct {
	w     io.Writer
	bar   *progressbar.ProgressBar // nil: plain lines
	total int
	shown int // quarters
}

func (a *app) newProgress() *progress { return &progress{w: a.stderr} }

func (p *progress) start(total int) {
	p.total = total
	if isTerminal(p.w) {
		p.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(p.w), progressbar.OptionShowCount(),
			progressbar.OptionSetWidth(40), progressbar.OptionClearOnFinish())
	}
}

func (p *progress) set(done int) {
	if p.bar != nil {
		_ = p.bar.Set(done) // a terminal that can't be written to is no reason to stop
		return
	}
	if quarter := 4 * done / p.total; quarter > p.shown {
		p.shown = quarter
		fmt.Fprintf(p.w, "%d of %d tasks decided\n", done, p.total)
	}
}

func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
