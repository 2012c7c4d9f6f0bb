//go:build !faultinject

package main

import "github.com/jackc/pgx/v5/pgconn"

// dialer is the hook of fault injection; a real program has none.
func dialer() pgconn.DialFunc { return nil }
