package upstream

import "time"

// Config says how an upstream is reached. Its keys are the same for every source in jobs.toml.
type Config struct {
	CAFile     string        `toml:"ca_file" path:"file" otherwise:"none" doc:"PEM file of certificate authorities that are trusted beside the system's."`
	CAOnly     bool          `toml:"ca_only" default:"false" doc:"Trust ca_file alone, not the system's authorities."`
	Proxy      string        `toml:"proxy" otherwise:"that of the environment" doc:"URL of an HTTP proxy for this source; 'none' ignores HTTPS_PROXY and NO_PROXY of the environment."`
	ClientCert string        `toml:"client_cert" path:"file" otherwise:"none" doc:"PEM file of the client certificate, where the server asks for one."`
	ClientKey  string        `toml:"client_key" path:"file" otherwise:"none" doc:"PEM file of the client certificate's key."`
	Timeout    time.Duration `toml:"timeout" default:"5m" doc:"Longest one request may take, answer included."`
	Contact    string        `toml:"contact" otherwise:"none" doc:"E-mail address or URL that the User-Agent names, so that the administrator of the server knows whom to ask."`
}
