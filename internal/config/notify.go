package config

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/mail"
	"slices"
)

// Notifier is a way to tell somebody what should be known.
type Notifier struct {
	Kind    string   `toml:"kind" oneof:"slack,teams,webhook,email" otherwise:"required" doc:"Who takes the messages: an incoming webhook of Slack, a workflow of Teams that posts what a webhook gets, a program of yours that takes JSON, or a mail server."`
	URL     Secret   `toml:"url" otherwise:"required unless kind is email" doc:"slack, teams, webhook: reference to the URL that messages are posted to. It begins with https://, except for this machine itself, and is never shown: whoever has it can write there."`
	SMTPURL Secret   `toml:"smtp_url" otherwise:"required where kind is email" doc:"email: reference to the mail server, smtps://USER:PASSWORD@HOST or, with STARTTLS, smtp://USER:PASSWORD@HOST:587. A relay on this machine itself may be spoken to in the clear: smtp://localhost:25."`
	From    string   `toml:"from" otherwise:"required where kind is email" doc:"email: address of the sender."`
	To      []string `toml:"to" single:"" otherwise:"required where kind is email" doc:"email: addresses of the recipients."`
	Only    []string `toml:"only" single:"" oneof:"source_down,run_failed,brake_held,job_stale,new_rejects,drift_pending,intake_silent,receiver_misconfigured,certificate_expiring,account_expiring" otherwise:"all causes" doc:"Causes that this notifier is told of."`
	CAFile  string   `toml:"ca_file" path:"file" otherwise:"none" doc:"PEM file of certificate authorities that are trusted beside the system's."`

	Name string `toml:"-"`

	node *node
	set  settings
}

// emailKind is the kind of notifier that is no URL.
const emailKind = "email"

// checkNotifier judges which keys go together.
func (l *loader) checkNotifier(n *Notifier) {
	kind := n.set["kind"]
	if kind == nil {
		l.missing(n.node, n.node.path+".kind", "is missing: slack, teams, webhook or email")
	}
	if kind == nil || kind.refused {
		return
	}
	wants, others := []string{"url"}, []string{"smtp_url", "from", "to"}
	if n.Kind == emailKind {
		wants, others = others, wants
	}
	for _, key := range wants {
		if n.set[key] == nil {
			l.missing(n.node, n.node.path+"."+key, "is missing: a notifier of kind %s needs it", n.Kind)
		}
	}
	for _, key := range others {
		if o := n.set[key]; o != nil {
			l.add(o.wrong("is of no use to a notifier of kind %s", n.Kind))
		}
	}
	l.notEmpty(n.set, "ca_file")
	if from := n.set["from"]; from != nil && !from.refused && !isAddress(n.From) {
		l.add(from.problem("must be one address, such as syncd@example.edu"))
	}
	if to := n.set["to"]; to != nil && !to.refused && (len(n.To) == 0 || !all(n.To, isAddress)) {
		l.add(to.problem(`must be addresses, such as ["data-team@example.edu"]`))
	}
}

func isAddress(text string) bool {
	_, err := mail.ParseAddress(text)
	return err == nil
}

func all(texts []string, is func(string) bool) bool {
	return !slices.ContainsFunc(texts, func(t string) bool { return !is(t) })
}

// NotifierNames returns the names of all notifiers, sorted.
func (c *Config) NotifierNames() []string { return slices.Sorted(maps.Keys(c.Notifiers)) }

// Notifier returns a notifier by name. The error says what there is instead.
func (c *Config) Notifier(name string) (*Notifier, error) {
	if n := c.Notifiers[name]; n != nil {
		return n, nil
	}
	if len(c.Notifiers) == 0 {
		return nil, fmt.Errorf("no notifier %s in %s, nor any other: a notifier is a table [notify.NAME]", shown(name), c.Files[0])
	}
	return nil, fmt.Errorf("no notifier %s in %s%s", shown(name), c.Files[0], unknown(name, c.NotifierNames()))
}

// Faults returns what keeps the notifier from telling anybody now: its secret, and the file that is named.
func (n *Notifier) Faults(ctx context.Context) []*Fault {
	key, secret := "url", n.URL
	if n.Kind == emailKind {
		key, secret = "smtp_url", n.SMTPURL
	}
	var faults []*Fault
	var cause *SecretError
	if _, err := secret.Read(ctx); errors.As(err, &cause) {
		faults = append(faults, n.fault(key, err, cause.Next))
	}
	return append(faults, faultsOf([]keyed[string]{{"ca_file", n.CAFile}}, n.fault)...)
}

func (n *Notifier) fault(key string, cause error, next string) *Fault {
	at := n.set[key]
	return &Fault{Job: n.Name, Field: at.path, Place: at.at.String(), Cause: cause, Next: next, word: "notifier"}
}
