package redcap

import (
	"crypto/md5"
	"encoding/hex"
	"hash/fnv"
	"strconv"
	"strings"
	"time"
)

// belongs tells whether a form is filled in at the row's place.
func (pl *plan) belongs(e *Event, r *row, form *Form) bool {
	if r.form != "" {
		return r.form == form.key
	}
	if !pl.p.has(e, form) {
		return false
	}
	_, alone := e.repeating[form.key]
	return !alone
}

// truthy tells whether anything that is asked for and belongs to the row is stored. Where nothing is, unticked
// checkboxes are exported blank instead of 0.
func (pl *plan) truthy(e *Event, r *row) bool {
	for i := range pl.columns {
		col := &pl.columns[i]
		if col.form != nil && r.values[col.key] != "" && pl.belongs(e, r, col.form) {
			return true
		}
	}
	return false
}

// cells renders one row of a flat export.
func (pl *plan) cells(dst []string, rec *record, r *row) []string {
	e := pl.p.eventByID(r.event)
	filled := pl.truthy(e, r)
	dst = dst[:0]
	for i := range pl.columns {
		dst = append(dst, pl.cell(&pl.columns[i], rec, e, r, filled))
	}
	return dst
}

func (pl *plan) cell(col *column, rec *record, e *Event, r *row, filled bool) string {
	switch col.kind {
	case colID:
		return pl.recordName(rec.id)
	case colEvent:
		return pl.eventName(e)
	case colRepeatForm:
		if form := pl.forms[r.form]; form != nil {
			if pl.label {
				return form.Label
			}
			return form.Name
		}
		return ""
	case colRepeatInstance:
		if r.instance == 0 {
			return ""
		}
		return strconv.Itoa(r.instance)
	case colDAG:
		return pl.groupName(rec.dag)
	case colSurveyID:
		return r.values[col.key]
	}
	if !pl.belongs(e, r, col.form) {
		if pl.odd && col.kind == colStatus && e.Repeats {
			return "0"
		}
		return ""
	}
	value := r.values[col.key]
	switch col.kind {
	case colBox:
		return pl.box(col, value != "", filled)
	case colStatus:
		return pl.status(value)
	case colField:
		return pl.value(col.field, rec, value)
	case colTimestamp:
		if pl.shift[col.form.Name] {
			return shiftDate(value, rec.id)
		}
	}
	return value
}

// recordName is the record's name, or its hash where the token sees de-identified data.
func (pl *plan) recordName(id string) string {
	if !pl.hashed {
		return id
	}
	sum := md5.Sum([]byte("project " + strconv.Itoa(pl.p.info.ID) + id))
	return hex.EncodeToString(sum[:])
}

func (pl *plan) eventName(e *Event) string {
	if !pl.label {
		return e.Unique
	}
	if len(pl.p.arms) < 2 {
		return e.Name
	}
	for _, a := range pl.p.arms {
		if a.Number == e.Arm {
			return e.Name + " (Arm " + strconv.Itoa(a.Number) + ": " + a.Name + ")"
		}
	}
	return e.Name
}

func (pl *plan) groupName(id int) string {
	d := pl.p.dag(id)
	switch {
	case d == nil:
		return ""
	case pl.label:
		return d.Name
	}
	return d.Unique
}

func (pl *plan) box(col *column, ticked, filled bool) string {
	switch {
	case !filled:
		return ""
	case pl.label && pl.boxLabel && ticked:
		return col.label
	case pl.label && pl.boxLabel:
		return ""
	case pl.label && ticked:
		return "Checked"
	case pl.label:
		return "Unchecked"
	}
	return bit(ticked)
}

func (pl *plan) status(value string) string {
	if value == "" {
		if pl.blankGray {
			return ""
		}
		value = "0"
	}
	if pl.label {
		switch value {
		case "0":
			return "Incomplete"
		case "1":
			return "Unverified"
		case "2":
			return "Complete"
		}
	}
	return value
}

// value renders what a text-like field holds.
func (pl *plan) value(f *Field, rec *record, v string) string {
	if v == "" {
		return ""
	}
	if f.Type == "file" && pl.documents {
		return "[document]"
	}
	if pl.decimal != 0 && (f.Type == "calc" || strings.HasPrefix(f.Validation, "number")) && isDecimal(v) {
		v = strings.NewReplacer(".", string(pl.decimal), ",", string(pl.decimal)).Replace(v)
	}
	if pl.shift[f.Form] && strings.HasPrefix(f.Validation, "date") {
		v = shiftDate(v, rec.id)
	}
	if pl.label {
		for _, m := range pl.p.codes {
			if m.Code == v {
				return m.Label
			}
		}
		return f.labelOf(v)
	}
	return v
}

// isDecimal tells whether a value is digits with at most one dot or comma.
func isDecimal(s string) bool {
	marks := 0
	for _, c := range strings.TrimLeft(s, "+-") {
		switch {
		case c == '.' || c == ',':
			marks++
		case c < '0' || c > '9':
			return false
		}
	}
	return marks <= 1
}

// shiftDate moves a date back by a number of days that depends on the record, up to a year.
func shiftDate(v, id string) string {
	if len(v) < 10 {
		return v
	}
	t, err := time.Parse("2006-01-02", v[:10])
	if err != nil {
		return v
	}
	h := fnv.New32a()
	h.Write([]byte(id))
	return t.AddDate(0, 0, -1-int(h.Sum32()%364)).Format("2006-01-02") + v[10:]
}
