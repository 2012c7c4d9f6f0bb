package engage

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

// page is an envelope on its way out.
type page struct {
	number, size, total, pages int
	items                      [][]byte
}

// page answers a list.
func (c *call) page(t *table) {
	number, ok1 := c.q.number("page", 1)
	asked, ok2 := c.q.number("pagesize", 100)
	size := c.knobs.pageSize(asked)
	if !ok1 || !ok2 || size == 0 {
		c.fail(http.StatusBadRequest, "The request is invalid.")
		return
	}
	p, err := c.find(t, number, size)
	if err != nil {
		c.fail(http.StatusBadRequest, "The request is invalid.")
		return
	}
	if c.fault != nil {
		c.fault.spoil(p)
	}
	c.rq.Items, c.rq.TotalItems = len(p.items), p.total
	body := p.render()
	if c.fault != nil && c.fault.After != nil {
		c.fault.After() // what is on its way stays as it is
	}
	c.deliver(body)
}

// find computes a page.
func (c *call) find(t *table, number, size int) (*page, error) {
	campus := c.s.campus
	campus.mu.Lock()
	defer campus.mu.Unlock()
	sel, err := campus.selectRows(t, c.q, &c.knobs)
	if err != nil {
		return nil, err
	}
	sel.none = sel.none || slices.Contains(c.key.Blind, t.name)
	p := &page{number: number, size: size}
	_, _, p.total = campus.shares(t, sel)
	p.pages = (p.total + size - 1) / size
	if p.total == 0 {
		p.pages = c.knobs.EmptyPages
	}
	shown := number
	if c.knobs.PastEndRepeats {
		shown = max(1, min(number, p.pages))
	}
	if c.fault != nil && c.fault.Kind == Earlier {
		shown = max(1, shown-1)
	}
	buffer := make([]byte, 0, min(size, p.total)*900)
	campus.list(t, sel, (shown-1)*size, size, func(it *Item) {
		from := len(buffer)
		buffer = c.knobs.appendItem(buffer, t.name, it)
		p.items = append(p.items, buffer[from:len(buffer):len(buffer)])
	})
	return p, nil
}

// render writes the envelope: always these five members, in this order.
func (p *page) render() []byte {
	n := 128
	for _, it := range p.items {
		n += len(it) + 1
	}
	b := fmt.Appendf(make([]byte, 0, n), `{"pageNumber":%d,"pageSize":%d,"totalItems":%d,"totalPages":%d,"items":[`, p.number, p.size, p.total, p.pages)
	for i, it := range p.items {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, it...)
	}
	return append(b, "]}"...)
}

// deliver sends a body whole.
func (c *call) deliver(body []byte) {
	if c.fault != nil {
		c.fault.deliver(c, body)
		return
	}
	c.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	c.w.Write(body)
}
