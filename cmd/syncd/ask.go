package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// dialog puts questions to a person at a terminal, or to a script that writes one answer a line into a pipe. Questions go to
// stderr; a question that a flag answers is not put.
type dialog struct {
	ctx      context.Context // ends at the first signal: then nothing more is asked
	out      io.Writer
	lines    *bufio.Reader
	terminal *os.File // nil where stdin is none
	yes      bool     // take what is offered
}

// question is one line to answer.
type question struct {
	flag    string // that answers it in scripts: --url
	given   string // what that flag gave
	why     string // one line
	prompt  string
	offered string // taken for an empty answer
	hidden  bool   // never shown, not even while it is typed
	check   func(answer string) error
}

func (c *cli) dialog(ctx context.Context, yes bool) *dialog {
	a := &dialog{ctx: ctx, out: c.Stderr, lines: bufio.NewReader(c.Stdin), yes: yes}
	if f, ok := c.Stdin.(*os.File); ok && isTerminal(f) {
		a.terminal = f
	}
	return a
}

// ask returns an answer that passes the question's check. A person is asked until there is one; what a flag or a script says
// is right or ends the verb.
func (a *dialog) ask(q question) (string, error) {
	check := func(answer string) error {
		if answer == "" {
			return fmt.Errorf("an answer is needed")
		}
		if q.check == nil {
			return nil
		}
		return q.check(answer)
	}
	if q.given != "" || a.yes && q.offered != "" {
		answer := q.given
		if answer == "" {
			answer = q.offered
		}
		if err := check(answer); err != nil {
			return "", usage("%s: %w", q.flag, err)
		}
		return answer, nil
	}
	fmt.Fprintf(a.out, "\n%s\n", q.why)
	for {
		answer, err := a.line(q)
		if err != nil {
			return "", err
		}
		if answer == "" {
			answer = q.offered
		}
		err = check(answer)
		switch {
		case err == nil:
			return answer, nil
		case a.terminal == nil:
			return "", usage("%s: %w", q.prompt, err)
		}
		fmt.Fprintf(a.out, "  %v\n", err)
	}
}

// agree asks whether to go on.
func (a *dialog) agree(prompt string) (bool, error) {
	if a.yes {
		return true, nil
	}
	answer, err := a.line(question{flag: "--yes", prompt: prompt, offered: "y/n"})
	answer = strings.ToLower(answer)
	return answer == "y" || answer == "yes", err
}

// line reads one answer, spaces around it taken off. A signal ends the wait for it and leaves the terminal as it was.
func (a *dialog) line(q question) (string, error) {
	prompt := q.prompt
	if q.offered != "" {
		prompt += " [" + q.offered + "]"
	}
	fmt.Fprint(a.out, prompt+": ")
	var before *term.State
	if a.terminal != nil {
		before, _ = term.GetState(int(a.terminal.Fd()))
	}
	type read struct {
		text string
		err  error
	}
	done := make(chan read, 1)
	go func() {
		text, err := a.read(q.hidden)
		done <- read{text, err}
	}()
	select {
	case r := <-done:
		if a.terminal == nil || q.hidden {
			fmt.Fprintln(a.out)
		}
		if errors.Is(r.err, io.EOF) {
			return "", usage("there is no answer to %q: answer it with %s", q.prompt, q.flag)
		}
		return strings.TrimSpace(r.text), r.err
	case <-a.ctx.Done():
		if before != nil {
			_ = term.Restore(int(a.terminal.Fd()), before)
		}
		fmt.Fprintln(a.out)
		return "", context.Cause(a.ctx)
	}
}

func (a *dialog) read(hidden bool) (string, error) {
	if hidden && a.terminal != nil {
		text, err := term.ReadPassword(int(a.terminal.Fd()))
		return string(text), err
	}
	text, err := a.lines.ReadString('\n')
	if errors.Is(err, io.EOF) && text != "" {
		err = nil
	}
	return text, err
}
