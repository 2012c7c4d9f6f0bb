package redcap

import (
	"fmt"
	"slices"
)

// AddEvent adds an event to an arm and returns its unique name.
func (p *Project) AddEvent(name string, arm int, forms ...string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.info.Longitudinal {
		return "", fmt.Errorf("add event: the project is classic")
	}
	e := p.addEvent(Event{Name: name, Arm: arm, forms: map[string]bool{}})
	for _, f := range forms {
		form := p.form(f)
		if form == nil {
			return "", fmt.Errorf("add event: no form %s", f)
		}
		p.designate(e, form)
	}
	p.manage("Create event", "")
	return e.Unique, nil
}

// RenameEvent renames an event: its unique name changes, its id does not. The new unique name is returned.
func (p *Project) RenameEvent(unique, name string) (string, error) {
	return p.onEvent("rename event", unique, "Edit event", func(e *Event) error {
		e.Unique = ""
		e.Name, e.Unique = name, p.uniqueEvent(name, e.Arm)
		return nil
	})
}

// SwapEventNames gives two events each other's name and unique name; ids, forms and data stay where they are.
func (p *Project) SwapEventNames(a, b string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	x, y := p.event(a), p.event(b)
	if x == nil || y == nil || x.Arm != y.Arm {
		return fmt.Errorf("swap names of events %s and %s: there are no two such events in one arm", a, b)
	}
	x.Name, y.Name = y.Name, x.Name
	x.Unique, y.Unique = y.Unique, x.Unique
	p.manage("Edit event", "")
	p.manage("Edit event", "")
	return nil
}

// RemoveEvent removes an event; the data in it stay unseen.
func (p *Project) RemoveEvent(unique string) error {
	_, err := p.onEvent("remove event", unique, "Delete event", func(e *Event) error {
		if len(p.events) == 1 {
			return fmt.Errorf("it is the last one")
		}
		p.reshaped = true
		p.events = slices.DeleteFunc(slices.Clone(p.events), func(x *Event) bool { return x == e })
		return nil
	})
	return err
}

// Designate makes a form part of an event, or takes it out; data of a form taken out are not exported any more.
func (p *Project) Designate(unique, form string, on bool) error {
	_, err := p.onEvent("designate form", unique, "Perform instrument-event mappings", func(e *Event) error {
		f := p.form(form)
		if f == nil {
			return fmt.Errorf("no form %s", form)
		}
		if on {
			p.designate(e, f)
			return nil
		}
		delete(e.forms, f.key)
		p.rows = slices.DeleteFunc(slices.Clone(p.rows), func(r mappingRow) bool { return r.event == e.ID && r.form == f.key })
		return nil
	})
	return err
}

// RepeatForm makes a form repeat on its own in an event ("" in classic projects). What was saved of it becomes instance 1.
// An event that repeated as a whole does not do so any more.
func (p *Project) RepeatForm(unique, form, label string) error {
	return p.setUpRepeats(unique, func(e *Event) error {
		f := p.form(form)
		if f == nil {
			return fmt.Errorf("no form %s", form)
		}
		e.Repeats = false
		e.repeat(f, label)
		return nil
	})
}

// UnrepeatForm stops a form from repeating in an event: instance 1 is what remains to be seen.
func (p *Project) UnrepeatForm(unique, form string) error {
	return p.setUpRepeats(unique, func(e *Event) error {
		f := p.form(form)
		if f == nil {
			return fmt.Errorf("no form %s", form)
		}
		delete(e.repeating, f.key)
		e.repeatingPlaced = slices.DeleteFunc(slices.Clone(e.repeatingPlaced), func(key string) bool { return key == f.key })
		return nil
	})
}

// RepeatEvent makes a whole event repeat. Forms of it that repeated on their own do so with the event from now on.
func (p *Project) RepeatEvent(unique string) error {
	return p.setUpRepeats(unique, func(e *Event) error {
		e.Repeats, e.repeating, e.repeatingPlaced = true, map[string]string{}, nil
		return nil
	})
}

// UnrepeatEvent stops an event from repeating: instance 1 is what remains to be seen.
func (p *Project) UnrepeatEvent(unique string) error {
	return p.setUpRepeats(unique, func(e *Event) error {
		e.Repeats = false
		return nil
	})
}

func (p *Project) setUpRepeats(unique string, change func(*Event) error) error {
	_, err := p.onEvent("set up repeats", unique, "Set up repeating instruments/events", func(e *Event) error {
		p.reshaped = true
		return change(e)
	})
	return err
}

func (p *Project) onEvent(what, unique, details string, change func(*Event) error) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.events[0]
	if unique != "" {
		e = p.event(unique)
	}
	if e == nil {
		return "", fmt.Errorf("%s: no event %s", what, unique)
	}
	if err := change(e); err != nil {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	p.manage(details, "")
	return e.Unique, nil
}
