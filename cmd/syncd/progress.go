package main

import (
	"fmt"
	"io"
	"sync"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// progress shows how far pulls have come: a bar per job on a terminal, a plain line per tenth elsewhere.
type progress struct {
	out  io.Writer
	bars *mpb.Progress // nil: plain lines
	unit string        // what is counted, one of it
	mu   sync.Mutex
	jobs map[string]*jobProgress
}

type jobProgress struct {
	bar   *mpb.Bar
	tenth int64
}

func newProgress(out io.Writer) *progress {
	p := &progress{out: out, unit: "record", jobs: map[string]*jobProgress{}}
	if isTerminal(out) {
		p.bars = mpb.New(mpb.WithOutput(out), mpb.WithWidth(48))
	}
	return p
}

// report tells that done of total records of a job have been loaded.
func (p *progress) report(job string, done, total int64) {
	if total == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	j := p.jobs[job]
	if j == nil {
		j = &jobProgress{}
		p.jobs[job] = j
		if p.bars != nil {
			j.bar = p.bars.AddBar(total, mpb.PrependDecorators(decor.Name(fmt.Sprintf("%-16s", job)), decor.CountersNoUnit("%7d / %-7d")),
				mpb.AppendDecorators(decor.Percentage(), decor.Name(" "), decor.OnComplete(decor.AverageETA(decor.ET_STYLE_GO), "done")))
		}
	}
	if j.bar != nil {
		j.bar.SetTotal(total, false)
		j.bar.SetCurrent(done)
		return
	}
	if tenth := done * 10 / total; tenth > j.tenth && done < total { // the end has a line of its own
		j.tenth = tenth
		fmt.Fprintf(p.out, "%s: %s of %s\n", job, count(done), counted(total, p.unit))
	}
}

// finish completes the bar of a job, or takes it away where the run failed.
func (p *progress) finish(job string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if j := p.jobs[job]; j != nil && j.bar != nil {
		if ok {
			j.bar.SetTotal(-1, true)
		} else {
			j.bar.Abort(false)
		}
	}
	delete(p.jobs, job)
}

// wait returns when all bars are drawn.
func (p *progress) wait() {
	if p.bars != nil {
		p.bars.Wait()
	}
}
