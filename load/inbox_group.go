package load

import (
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"syncd/extract"
)

//go:embed sql/delivery_keep.sql
var deliveryKeepSQL string

const (
	deliveryKeep = "delivery_keep" // the statement's name on a connection
	wireStays    = 1 << 20         // bytes of a wire that are not given back
)

// insert writes a sorted group in one statement, which is its own transaction.
func (b *Inbox) insert(group []*arrival) error {
	var row columnsOfDeliveries
	var sent []*arrival // by row; what comes twice in a group is sent once
	for i, a := range group {
		if i == 0 || !same(a.d, group[i-1].d) {
			row.add(a.d)
			sent = append(sent, a)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), groupWithin)
	defer cancel()
	fresh, err := b.send(ctx, row.args())
	if err != nil {
		return err
	}
	for _, a := range group {
		a.known = true
	}
	for _, n := range fresh {
		a := sent[n-1]
		a.known = false
		b.poke(stream{a.d.Destination, a.d.Test})
	}
	return nil
}

// send runs the statement and answers the numbers of the rows that are new. It does not go through the driver's own queries: those
// take new memory for the bytes of each group, which was most of what the whole intake allocated.
func (b *Inbox) send(ctx context.Context, args []any) (fresh []uint64, err error) {
	conn, err := b.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Release()
	statement, err := conn.Conn().Prepare(ctx, deliveryKeep, deliveryKeepSQL)
	if err != nil {
		return nil, err
	}
	out, ok := b.wires.Get().(*wire)
	if !ok {
		out = &wire{}
	}
	defer b.wires.Put(out)
	params, err := out.encode(conn.Conn(), statement.ParamOIDs, args)
	if err != nil {
		return nil, err
	}
	binaryOnly := []int16{pgx.BinaryFormatCode}
	rows := conn.Conn().PgConn().ExecStatement(ctx, statement, params, binaryOnly, binaryOnly)
	for rows.NextRow() {
		fresh = append(fresh, binary.BigEndian.Uint64(rows.Values()[0]))
	}
	_, err = rows.Close()
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		// Whatever it is, the next group asks for a new plan, as it does after an error of the driver's own queries.
		_ = conn.Conn().Deallocate(ctx, deliveryKeep)
	}
	return fresh, err
}

// wire holds the arguments of a statement as they are sent. Its memory is used again for the next group.
type wire struct{ buf []byte }

func (w *wire) encode(conn *pgx.Conn, types []uint32, args []any) ([][]byte, error) {
	if cap(w.buf) > wireStays {
		w.buf = nil
	}
	w.buf = w.buf[:0]
	ends := make([]int, len(args))
	for i, arg := range args {
		buf, err := conn.TypeMap().Encode(types[i], pgx.BinaryFormatCode, arg, w.buf)
		if err != nil {
			return nil, err
		}
		w.buf, ends[i] = buf, len(buf)
	}
	params, from := make([][]byte, len(args)), 0
	for i, end := range ends {
		params[i], from = w.buf[from:end:end], end
	}
	return params, nil
}

func same(x, y *extract.Delivery) bool {
	return x.Destination == y.Destination && x.Key == y.Key && x.SHA256 == y.SHA256
}

// columnsOfDeliveries are deliveries as the arrays of one statement.
type columnsOfDeliveries struct {
	destinations, keys      []string
	sources, models, events []*string
	hashes, bodies          [][]byte
	received                []time.Time
	sent                    []*time.Time
	tests                   []bool
}

func (c *columnsOfDeliveries) add(d *extract.Delivery) {
	c.destinations, c.keys = append(c.destinations, d.Destination), append(c.keys, d.Key)
	c.sources, c.models, c.events = append(c.sources, orNull(plainText(d.SourceID))), append(c.models, orNull(plainText(d.Model))), append(c.events, orNull(plainText(d.EventType)))
	body := d.Body
	if body == nil {
		body = []byte{}
	}
	c.hashes, c.bodies = append(c.hashes, d.SHA256[:]), append(c.bodies, body)
	c.received, c.tests = append(c.received, d.ReceivedAt), append(c.tests, d.Test)
	var at *time.Time
	if y := d.EventAt.Year(); !d.EventAt.IsZero() && y > -4000 && y < 100_000 { // what a timestamp holds
		at = &d.EventAt
	}
	c.sent = append(c.sent, at)
}

func (c *columnsOfDeliveries) args() []any {
	return []any{c.destinations, c.keys, c.hashes, c.received, c.sources, c.models, c.events, c.sent, c.tests, c.bodies}
}
