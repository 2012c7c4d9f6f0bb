package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"syncd/extract/redox/auth"
	"syncd/internal/config"
	"syncd/load"
)

// checkReceiver looks at what a receiver lets people in by: secrets, keys, and whom it asks.
func (c *cli) checkReceiver(ctx context.Context, cfg *config.Config, r *config.Receiver) []finding {
	gate, err := c.gate(cfg, r, &lateInbox{}, nil)
	if err != nil {
		return []finding{failed(r.Name, "auth", err)}
	}
	all := []finding{{Subject: r.Name, What: "path", OK: true, Detail: placeOf(cfg, r)}}
	for _, f := range gate.Diagnose(ctx) {
		all = append(all, finding{
			Subject: r.Name, What: "auth", OK: f.Level == auth.Good, Warning: f.Level == auth.Warning, Detail: f.What, Next: f.Next,
		})
	}
	return all
}

func placeOf(cfg *config.Config, r *config.Receiver) string {
	if cfg.Serve.PublicURL == "" {
		return r.Path + " (public_url under [serve] would tell where Redox finds it)"
	}
	return cfg.Serve.PublicURL + r.Path
}

// checkListener looks at what the receivers listen with.
func (c *cli) checkListener(cfg *config.Config) []finding {
	const subject = "serve"
	if cfg.Serve.CertFile != "" {
		return c.checkCertificate(cfg)
	}
	f := finding{Subject: subject, What: "listen", OK: true, Detail: cfg.Serve.Listen + ", plain HTTP for a proxy in front that ends TLS"}
	if !onThisMachine(cfg.Serve.Listen) && len(cfg.Serve.Proxies) == 0 {
		f.OK, f.Warning = false, true
		f.Detail = cfg.Serve.Listen + " is reached from other machines, without TLS: tokens and patient data are sent in the clear"
		f.Next = "set cert_file and key_file under [serve], or listen on 127.0.0.1, or name the proxy in trusted_proxies"
	}
	return []finding{f}
}

// onThisMachine says that an address, host:port or a host alone, is reached from this machine alone.
func onThisMachine(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// checkKept looks at what Postgres has for the receivers: their schemas, and partitions for the bytes to come.
func (c *cli) checkKept(ctx context.Context, cfg *config.Config, w *load.Warehouse) []finding {
	var all []finding
	for _, name := range cfg.ReceiverNames() {
		all = append(all, checkSchema(ctx, cfg, w, cfg.Receivers[name]))
	}
	return append(all, c.checkMonths(ctx, cfg, w))
}

func checkSchema(ctx context.Context, cfg *config.Config, w *load.Warehouse, r *config.Receiver) finding {
	f := finding{Subject: r.Name, What: "schema", OK: true}
	var there, usable bool
	var tables int
	err := w.Pool().QueryRow(ctx, `SELECT n.oid IS NOT NULL, coalesce(has_schema_privilege(n.oid, 'USAGE'), false), (SELECT count(*) FROM pg_class AS c WHERE c.relnamespace = n.oid AND c.relkind = 'r')
		FROM (SELECT to_regnamespace(quote_ident($1)) AS oid) AS n`, r.Schema).Scan(&there, &usable, &tables)
	switch {
	case err != nil:
		return failed(r.Name, "schema", fmt.Errorf("look at schema %s: a query was refused", r.Schema))
	case !there && cfg.Postgres.DDL == string(load.Plan):
		f.OK, f.Warning, f.Detail, f.Next = false, true, r.Schema+" is not there, and ddl is plan", "as the owner, once something was pushed: syncd plan | psql"
	case !there:
		f.Detail = r.Schema + " will be made with the first delivery"
	case !usable:
		f.OK, f.Detail, f.Next = false, r.Schema+" is there and may not be used by this role", "as its owner: GRANT USAGE, CREATE ON SCHEMA "+r.Schema+" TO that role"
	default:
		f.Detail = fmt.Sprintf("%s holds %d tables", r.Schema, tables)
	}
	return f
}

func (c *cli) checkMonths(ctx context.Context, cfg *config.Config, w *load.Warehouse) finding {
	f := finding{Subject: "postgres", What: "partitions", OK: true, Detail: "those of this month and the next two are there"}
	b, err := w.Inbox(1)
	if err != nil {
		return failed(f.Subject, f.What, err)
	}
	defer b.Close()
	missing, err := b.MonthsMissing(ctx, c.Now())
	switch {
	case err != nil:
		return failed(f.Subject, f.What, err)
	case len(missing) == 0:
	case cfg.Postgres.DDL == string(load.Plan):
		f.OK, f.Warning = false, true
		f.Detail = fmt.Sprintf("%d of the next months have none: deliveries are kept all the same, in the default partition", len(missing))
		f.Next = "as the owner: " + strings.Join(missing, "; ")
	default:
		f.Detail = fmt.Sprintf("syncd serve makes the %d that are not there yet", len(missing))
	}
	return f
}
