package auth

import "time"

// The strategies by which Redox can authenticate itself.
const (
	strategySigV4  = "aws-sigv4"
	strategyGoogle = "google-wif"
	strategyOAuth  = "oauth2"
	strategyGCP    = "oauth2-jwt-bearer-gcp"
	strategySmart  = "smart-backend"
	strategyBearer = "jwt-bearer"
)

// Options say how Redox authenticates itself. They are keys of [redox.NAME.auth] in jobs.toml; the secrets are in Secrets.
type Options struct {
	Strategy         string        `toml:"strategy" otherwise:"none" oneof:"aws-sigv4,google-wif,oauth2,oauth2-jwt-bearer-gcp,smart-backend,jwt-bearer" doc:"How Redox authenticates itself, as its auth credential says."`
	AccessKey        string        `toml:"access_key" otherwise:"none" doc:"aws-sigv4: id of the key that Redox signs with, of your own choosing."`
	AccessKeyOld     string        `toml:"access_key_old" otherwise:"that of access_key" doc:"aws-sigv4: id of the key that secret_key_old belongs to, while keys change."`
	Region           string        `toml:"region" otherwise:"none" doc:"aws-sigv4: region that Redox signs for."`
	Service          string        `toml:"service" otherwise:"none" doc:"aws-sigv4: name of the service that Redox signs for."`
	ClockWindow      time.Duration `toml:"clock_window" default:"5m" doc:"aws-sigv4: how far the time of a signature may be from ours, at most 15m."`
	ClientID         string        `toml:"client_id" otherwise:"none" doc:"oauth2, smart-backend: the client id that Redox has. With introspection_url: ours at the issuer."`
	TokeninfoURL     string        `toml:"tokeninfo_url" otherwise:"Google's" doc:"google-wif, oauth2-jwt-bearer-gcp: where Google is asked about an access token."`
	IntrospectionURL string        `toml:"introspection_url" otherwise:"none" doc:"oauth2: where the issuer is asked about a token (RFC 7662)."`
	JWKSURL          string        `toml:"jwks_url" otherwise:"none" doc:"Address of the public keys with which tokens or assertions are signed; https:// only."`
	JWKSFile         string        `toml:"jwks_file" path:"file" otherwise:"none" doc:"File of those public keys, a JWK set or PEM, in place of jwks_url."`
	Issuer           string        `toml:"issuer" otherwise:"none; google-wif: Google" doc:"Who issues tokens or assertions: iss, compared exactly."`
	Subject          string        `toml:"subject" otherwise:"any" doc:"Whom tokens or assertions are about: sub, compared exactly."`
	Audience         []string      `toml:"audience" single:"" otherwise:"of assertions the address of our token endpoint" doc:"For whom tokens or assertions are: aud, compared exactly; one of these is enough."`
	Email            string        `toml:"email" otherwise:"any" doc:"google-wif, oauth2-jwt-bearer-gcp: e-mail address of the service account in an ID token."`
	Scope            string        `toml:"scope" otherwise:"none" doc:"Scopes that a token must have, or that our token endpoint grants; blanks part them."`
	Algorithms       []string      `toml:"algorithms" otherwise:"those that are usual for the strategy" oneof:"RS256,RS384,RS512,PS256,PS384,PS512,ES256,ES384,ES512,EdDSA,HS256,HS384,HS512" doc:"Signature algorithms that are accepted. HS* are for secret alone, and are never accepted beside public keys."`
	Grant            bool          `toml:"grant" default:"false" doc:"jwt-bearer: Redox hands its JWT to our token endpoint for a token, rather than to every push."`
}

// Secrets are what Options refer to, and never hold.
type Secrets struct {
	SecretKey       Secret // secret_key: of access_key
	SecretKeyOld    Secret // secret_key_old: of access_key_old
	SessionToken    Secret // session_token: that goes with access_key
	ClientSecret    Secret // client_secret: of client_id
	ClientSecretOld Secret // client_secret_old: accepted as well, while secrets change
	Shared          Secret // secret: with which JWTs are signed, where no public key is
	SharedOld       Secret // secret_old: accepted as well, while secrets change
}
