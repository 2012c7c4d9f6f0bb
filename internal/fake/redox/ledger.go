package redox

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"sync"
)

// Ledger is an append-only file of what was acknowledged. A line is on disk before the sender counts on it.
type Ledger struct {
	mu      sync.Mutex
	file    *os.File
	filling *page // what the next write takes along
	writing sync.Mutex
}

// page is the lines that one write brings to disk.
type page struct {
	lines []byte
	done  bool
	err   error
}

// Acknowledged is one line of a ledger.
type Acknowledged struct {
	LogID  string
	SHA256 [32]byte // of the body that was acknowledged
}

// OpenLedger opens a ledger, making it where there is none.
func OpenLedger(path string) (*Ledger, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	return &Ledger{file: f, filling: &page{}}, nil
}

// record adds a line and returns when it is on disk. What comes in while the disk is busy goes with the next write.
func (l *Ledger) record(m *Message) error {
	sum := m.SHA256()
	l.mu.Lock()
	mine := l.filling
	mine.lines = fmt.Appendf(mine.lines, "%s %x\n", m.LogID, sum)
	l.mu.Unlock()

	l.writing.Lock()
	defer l.writing.Unlock()
	if mine.done {
		return mine.err
	}
	l.mu.Lock()
	l.filling = &page{}
	l.mu.Unlock()
	_, err := l.file.Write(mine.lines)
	mine.done, mine.err = true, errors.Join(err, l.file.Sync())
	if mine.err != nil {
		mine.err = fmt.Errorf("write ledger: %w", mine.err)
	}
	return mine.err
}

// Close closes the file.
func (l *Ledger) Close() error { return l.file.Close() }

// ReadLedger reads what was acknowledged, in the order of the lines. A last line that was cut off is left out.
func ReadLedger(path string) ([]Acknowledged, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	var all []Acknowledged
	for line := range bytes.Lines(text) {
		whole, ok := bytes.CutSuffix(line, []byte("\n"))
		if !ok {
			break
		}
		log, sum, _ := bytes.Cut(whole, []byte(" "))
		a := Acknowledged{LogID: string(log)}
		if _, err := hex.Decode(a.SHA256[:], sum[:min(len(sum), 64)]); err != nil || len(sum) != 64 {
			return nil, fmt.Errorf("read ledger: line %d is not one of a ledger", len(all)+1)
		}
		all = append(all, a)
	}
	return all, nil
}
