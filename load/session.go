package load

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// session is a connection and a transaction in which one batch is loaded.
type session struct {
	conn *pgxpool.Conn
	tx   pgx.Tx
	pg   *pgconn.PgConn
	kept *kept
	made []string // stages made in this transaction
}

// kept is what a connection keeps from batch to batch.
type kept struct {
	statements map[string]string // name by SQL
	stages     map[string]bool
	order      []string // of stages, oldest first
}

const (
	keptKey    = "syncd"
	stageLimit = 32 // stages per connection: each is emptied at every commit that used one
)

// begin takes a connection and starts a transaction.
func (w *Warehouse) begin(ctx context.Context) (*session, error) {
	conn, err := w.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		conn.Release()
		return nil, err
	}
	s := &session{conn: conn, tx: tx, pg: conn.Conn().PgConn()}
	s.kept, _ = s.pg.CustomData()[keptKey].(*kept)
	if s.kept == nil {
		s.kept = &kept{statements: map[string]string{}, stages: map[string]bool{}}
		s.pg.CustomData()[keptKey] = s.kept
	}
	return s, nil
}

// commit ends the transaction for good. An error that is not Postgres's own leaves open whether it was committed.
func (s *session) commit(ctx context.Context) error {
	if err := s.tx.Commit(ctx); err != nil {
		s.drop()
		return err
	}
	for _, stage := range s.made {
		s.kept.stages[stage] = true
		s.kept.order = append(s.kept.order, stage)
	}
	s.conn.Release()
	return nil
}

// drop gives up the transaction. The pool destroys a connection that is not idle, and what it had prepared with it.
func (s *session) drop() { s.conn.Release() }

// pipeline sends queries and reads their answers later, all in one round trip.
type pipeline struct {
	*pgconn.Pipeline
	s       *session
	sent    []string        // SQL that is prepared in this pipeline, in order
	pending map[string]bool // the same
}

func (s *session) pipeline(ctx context.Context) *pipeline {
	return &pipeline{Pipeline: s.pg.StartPipeline(ctx), s: s, pending: map[string]bool{}}
}

// query sends a prepared query, and prepares it where the connection does not know it yet.
func (p *pipeline) query(sql string, params [][]byte, paramFormats, resultFormats []int16) {
	name, ok := p.s.kept.statements[sql]
	if !ok {
		sum := sha256.Sum256([]byte(sql))
		name = "load_" + hex.EncodeToString(sum[:8])
		if !p.pending[sql] {
			p.pending[sql] = true
			p.sent = append(p.sent, sql)
			p.SendPrepare(name, sql, nil)
		}
	}
	p.SendQueryPrepared(name, params, paramFormats, resultFormats)
}

// next answers with the reader of the next query's rows. It must be read to its end.
func (p *pipeline) next() (*pgconn.ResultReader, error) {
	for {
		answer, err := p.GetResults()
		if err != nil {
			return nil, err
		}
		switch answer := answer.(type) {
		case *pgconn.StatementDescription:
			sql := p.sent[0]
			p.sent = p.sent[1:]
			sum := sha256.Sum256([]byte(sql))
			p.s.kept.statements[sql] = "load_" + hex.EncodeToString(sum[:8])
		case *pgconn.ResultReader:
			return answer, nil
		default:
			return nil, errPipeline
		}
	}
}

// only reads the single row of the next query; it may be used until the next call.
func (p *pipeline) only() ([][]byte, error) {
	rows, err := p.next()
	if err != nil {
		return nil, err
	}
	if !rows.NextRow() {
		if _, err := rows.Close(); err != nil {
			return nil, err
		}
		return nil, pgx.ErrNoRows
	}
	return rows.Values(), nil
}

var errPipeline = errors.New("an answer came that was not asked for")
