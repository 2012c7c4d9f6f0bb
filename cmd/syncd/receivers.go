package main

import (
	"context"
	"log/slog"
	"time"

	"syncd/extract/redox"
	"syncd/extract/redox/auth"
	"syncd/internal/config"
)

// received is a receiver as it was made of the configuration.
type received struct {
	name     string
	gate     *auth.Gate // nil where the receiver is misconfigured: then it answers 503
	receiver *redox.Receiver
	until    time.Time // where it was replaced: when it has no request in hand any more
}

// receivers makes all receivers of the configuration. One that lacks something is misconfigured, for itself alone.
func (c *cli) receivers(cfg *config.Config, log *slog.Logger, keep keeper, keys *auth.KeySets, observe func(redox.Event)) []received {
	var all []received
	for _, name := range cfg.ReceiverNames() {
		r := cfg.Receivers[name]
		gate, err := c.gate(cfg, r, keep, keys)
		if err != nil {
			log.Error("receiver is misconfigured: it answers 503, and Redox keeps what it has", slog.String("receiver", name), slog.Any("error", err))
		}
		all = append(all, received{name: name, gate: gate, receiver: redox.NewReceiver(redox.ReceiverConfig{
			Name: name, Options: r.Options, Gate: gate, Misconfigured: err, Inbox: keep, Now: c.Now, Observe: observe,
			TrustedProxies: cfg.Serve.Proxies,
		})})
	}
	return all
}

// gate makes what judges the senders of a receiver. Of its secrets only ids are read now, the others at each use.
func (c *cli) gate(cfg *config.Config, r *config.Receiver, store auth.Store, keys *auth.KeySets) (*auth.Gate, error) {
	options := r.Auth.Options
	for _, id := range []struct {
		of   config.Secret
		into *string
	}{
		{r.Auth.AccessKey, &options.AccessKey}, {r.Auth.AccessKeyOld, &options.AccessKeyOld}, {r.Auth.ClientID, &options.ClientID},
	} {
		if id.of.IsZero() {
			continue
		}
		value, err := id.of.Read(c.ctx)
		if err != nil {
			return nil, misconfigured("read an id of receiver "+r.Name, err)
		}
		*id.into = value
	}
	reach := r.Config
	reach.Timeout = r.Timeout
	gc := auth.Config{
		Destination: r.Name, Options: options, HandshakeRequiresCredential: r.HandshakeRequiresCredential, PublicURL: cfg.Serve.PublicURL,
		Path: r.Path, Upstream: reach, Version: version, Store: store, Keys: keys, Now: c.Now,
		Secrets: auth.Secrets{
			SecretKey: secretOf(c.ctx, r.Auth.SecretKey), SecretKeyOld: secretOf(c.ctx, r.Auth.SecretKeyOld), SessionToken: secretOf(c.ctx, r.Auth.SessionToken),
			ClientSecret: secretOf(c.ctx, r.Auth.ClientSecret), ClientSecretOld: secretOf(c.ctx, r.Auth.ClientSecretOld),
			Shared: secretOf(c.ctx, r.Auth.Secret), SharedOld: secretOf(c.ctx, r.Auth.SecretOld),
		},
	}
	for _, token := range r.Tokens {
		gc.Tokens = append(gc.Tokens, secretOf(c.ctx, token))
	}
	gate, err := auth.New(gc)
	if err != nil {
		return nil, misconfigured("make receiver "+r.Name, err)
	}
	return gate, nil
}

// secretOf reads a secret where its reference says; nil where there is none.
func secretOf(ctx context.Context, s config.Secret) auth.Secret {
	if s.IsZero() {
		return nil
	}
	return func() ([]byte, error) {
		value, err := s.Read(ctx)
		return []byte(value), err
	}
}
