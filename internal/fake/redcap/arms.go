package redcap

import (
	"fmt"
	"slices"
)

// MakeLongitudinal turns a classic project longitudinal: all its forms are designated in its one event. Events of an
// earlier longitudinal life come back as they were.
func (p *Project) MakeLongitudinal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.info.Longitudinal = true
	if p.events[0].forms == nil {
		for _, f := range p.forms {
			p.designate(p.events[0], f)
		}
	}
	p.manage("Modify project settings", "")
}

// MakeClassic turns a longitudinal project classic: its first event is what remains to be seen.
func (p *Project) MakeClassic() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.info.Longitudinal, p.reshaped = false, true
	p.manage("Modify project settings", "")
}

// AddArm adds an arm without events.
func (p *Project) AddArm(number int, name string) error {
	return p.onArm("add arm", "Create arm", number, func(at int) error {
		if at >= 0 || !p.info.Longitudinal {
			return fmt.Errorf("it exists, or the project is classic")
		}
		p.arms = append(slices.Clone(p.arms), Arm{Number: number, Name: name})
		slices.SortFunc(p.arms, func(a, b Arm) int { return a.Number - b.Number })
		return nil
	})
}

// RenameArm renames an arm; unique names of events hold its number and stay.
func (p *Project) RenameArm(number int, name string) error {
	return p.onArm("rename arm", "Edit arm", number, func(at int) error {
		if at < 0 {
			return fmt.Errorf("there is none")
		}
		p.arms = slices.Clone(p.arms)
		p.arms[at].Name = name
		return nil
	})
}

// RemoveArm removes an arm with its events and what was saved in them. Records that were in no other arm are gone;
// the log shows the arm's deletion, and none of theirs.
func (p *Project) RemoveArm(number int) error {
	return p.onArm("remove arm", "Delete arm", number, func(at int) error {
		events := slices.DeleteFunc(slices.Clone(p.events), func(e *Event) bool { return e.Arm == number })
		if at < 0 || len(events) == 0 {
			return fmt.Errorf("there is none, or it holds all events")
		}
		p.arms = slices.Delete(slices.Clone(p.arms), at, at+1)
		p.events, p.reshaped = events, true
		return nil
	})
}

func (p *Project) onArm(what, details string, number int, change func(at int) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := change(slices.IndexFunc(p.arms, func(a Arm) bool { return a.Number == number })); err != nil {
		return fmt.Errorf("%s %d: %w", what, number, err)
	}
	p.manage(details, "")
	return nil
}
