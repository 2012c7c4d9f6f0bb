package redcap

import "strconv"

// header is the columns of the answer: of the flat export, or of data points.
func (x *plan) header() []string {
	if x.head != nil {
		return x.head
	}
	var out []string
	if x.eav {
		out = append(out, "record")
	}
	for i := range x.columns {
		switch col := &x.columns[i]; {
		case !x.eav, col.kind == colEvent, col.kind == colRepeatForm, col.kind == colRepeatInstance:
			out = append(out, col.header)
		}
	}
	if x.eav {
		out = append(out, "field_name", "value")
	}
	x.head = out
	return out
}

// open writes what stands before the first row. A CSV header waits until it is known whether there are rows where
// the version leaves it out of empty answers.
func (x *export) open() {
	switch x.format {
	case "csv":
		if x.csvHeader {
			x.buf = appendCSVRow(x.buf, x.header(), x.comma)
		}
	case "json":
		x.buf = append(x.buf, '[')
	case "xml":
		x.buf = append(x.buf, `<?xml version="1.0" encoding="UTF-8" ?><records>`...)
	}
}

// separate writes what stands before a row, or before the rows of a cached record.
func (x *export) separate() {
	switch {
	case x.format == "json" && x.any:
		x.buf = append(x.buf, ',')
	case x.format == "csv" && !x.any && !x.csvHeader && !x.nested:
		x.buf = appendCSVRow(x.buf, x.header(), x.comma)
	}
	x.any = true
}

// row writes one row.
func (x *export) row(cells []string) {
	x.separate()
	switch x.format {
	case "csv":
		x.buf = appendCSVRow(x.buf, cells, x.comma)
	case "json":
		x.buf = x.appendObject(x.buf, cells)
	default:
		x.buf = appendXMLItem(x.buf, x.header(), cells)
	}
}

// appendObject writes one JSON row: strings, but a repeat instance that is set is a number.
func (x *export) appendObject(b []byte, cells []string) []byte {
	b = append(b, '{')
	for i, name := range x.header() {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendJSONString(b, name), ':')
		if _, err := strconv.Atoi(cells[i]); err == nil && name == "redcap_repeat_instance" {
			b = append(b, cells[i]...)
		} else {
			b = appendJSONString(b, cells[i])
		}
	}
	return append(b, '}')
}

// close writes what stands after the last row and sends the rest.
func (x *export) close() {
	switch x.format {
	case "csv":
		if !x.any && !x.csvHeader {
			x.buf = append(x.buf, '\n')
		}
	case "json":
		x.buf = append(x.buf, ']')
	case "xml":
		x.buf = append(x.buf, "</records>"...)
	}
	x.flush()
}

// flush sends what was rendered, without holding the project's lock.
func (x *export) flush() {
	if x.err != nil || len(x.buf) == 0 {
		return
	}
	func() {
		x.p.mu.RUnlock()
		defer x.p.mu.RLock() // also when a fault breaks the connection by panicking
		_, x.err = x.c.w.Write(x.buf)
	}()
	x.buf = x.buf[:0]
}
