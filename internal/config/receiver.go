package config

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"syncd/extract/redox"
	"syncd/extract/redox/auth"
	"syncd/extract/upstream"
)

// Receiver is one destination of Redox: where its pushes come in, who may push, and which schema they land in.
type Receiver struct {
	redox.Options
	Schema           string        `toml:"schema" otherwise:"the receiver's name" doc:"Schema of the warehouse that holds the tables; no job and no other receiver has it. Test traffic lands in the schema of that name with _test at its end."`
	Tokens           []Secret      `toml:"verification_tokens" single:"" otherwise:"none: required where there is no [redox.NAME.auth]" doc:"References to the verification tokens that are accepted. Several let the token be changed at Redox without a pause. Where there is [redox.NAME.auth], both are asked for."`
	DeletedRetention string        `toml:"deleted_retention" otherwise:"deleted of [retention]" doc:"How long rows that were moved out stay in the schema of that name with _deleted at its end: 90d, 3y, or forever."`
	LegalHold        bool          `toml:"legal_hold" default:"false" doc:"true: nothing of this receiver is removed, neither because its time is over nor by a purge."`
	Timeout          time.Duration `toml:"timeout" default:"5s" doc:"Longest that fetching public keys, or asking an issuer about a token, may take."`
	SilentAfter      time.Duration `toml:"silent_after" otherwise:"never" doc:"How long nothing but tests may be pushed before somebody is told that the receiver is silent: 2h. For feeds that never rest for so long, nights and weekends included."`
	upstream.Config
	Auth Auth `toml:"auth"`

	Name     string `toml:"-"`
	PurgeKey Secret `toml:"-"` // of [purge]

	node *node
	set  settings
}

// Auth is how Redox authenticates itself beside, or in place of, the verification token.
type Auth struct {
	auth.Options
	AccessKey       Secret `toml:"access_key" plain:"" otherwise:"none" doc:"aws-sigv4: id of the key that Redox signs with, of your own choosing."`
	SecretKey       Secret `toml:"secret_key" otherwise:"none" doc:"aws-sigv4: reference to the secret key that access_key names."`
	AccessKeyOld    Secret `toml:"access_key_old" plain:"" otherwise:"that of access_key" doc:"aws-sigv4: id of the key that secret_key_old belongs to, while keys change."`
	SecretKeyOld    Secret `toml:"secret_key_old" otherwise:"none" doc:"aws-sigv4: reference to a secret key that is accepted as well, while keys change."`
	SessionToken    Secret `toml:"session_token" otherwise:"none" doc:"aws-sigv4: reference to the session token, where one is entered at Redox."`
	ClientID        Secret `toml:"client_id" plain:"" otherwise:"none" doc:"oauth2, smart-backend: the client id that Redox has. With introspection_url: ours at the issuer."`
	ClientSecret    Secret `toml:"client_secret" otherwise:"none" doc:"oauth2: reference to the secret that goes with client_id."`
	ClientSecretOld Secret `toml:"client_secret_old" otherwise:"none" doc:"oauth2: reference to a secret that is accepted as well, while secrets change."`
	Secret          Secret `toml:"secret" otherwise:"none" doc:"jwt-bearer: reference to the secret that both sides share, where tokens are signed with HS256, HS384 or HS512."`
	SecretOld       Secret `toml:"secret_old" otherwise:"none" doc:"jwt-bearer: reference to a secret that is accepted as well, while secrets change."`
}

// Credentialed says that a strategy is configured beside verification tokens, or in their place.
func (r *Receiver) Credentialed() bool { return r.Auth.Strategy != "" }

// Place returns file:line where the receiver is named.
func (r *Receiver) Place() string { return r.node.at.String() }

// ReceiverNames returns the names of all receivers, sorted.
func (c *Config) ReceiverNames() []string { return slices.Sorted(maps.Keys(c.Receivers)) }

// Receiver returns a receiver by name. The error says what there is instead.
func (c *Config) Receiver(name string) (*Receiver, error) {
	if r := c.Receivers[name]; r != nil {
		return r, nil
	}
	if len(c.Receivers) == 0 {
		return nil, fmt.Errorf("no receiver %s in %s, nor any other: a receiver is a table [redox.NAME]", shown(name), c.Files[0])
	}
	return nil, fmt.Errorf("no receiver %s in %s%s", shown(name), c.Files[0], unknown(name, c.ReceiverNames()))
}
