package config

import "strings"

// KeepFixed lets c take over the place of a running daemon: what holds from its start to its end stays as began has it. It returns the
// settings of c that therefore wait for a restart, as c's files have them.
func (c *Config) KeepFixed(began *Config) []Setting {
	before := map[string]string{}
	for _, s := range list(nil, "", "", began, began.set) {
		before[s.Key] = s.Value
	}
	// Whether the receivers end TLS themselves is a matter of how they listen; with which certificate is not.
	ends := began.Serve.CertFile != ""
	var waiting []Setting
	for _, s := range list(nil, "", "", c, c.set) {
		switch {
		case s.Key == "serve.cert_file" && (s.Value != "") != ends,
			isFixed(s.Key) && s.Value != before[s.Key]:
			waiting = append(waiting, s)
		}
	}
	c.Postgres, c.Installation, c.DataDir = began.Postgres, began.Installation, began.DataDir
	c.Serve.Listen, c.Serve.Admin = began.Serve.Listen, began.Serve.Admin
	if (c.Serve.CertFile != "") != ends {
		c.Serve.CertFile, c.Serve.KeyFile = began.Serve.CertFile, began.Serve.KeyFile
	}
	return waiting
}

// isFixed says that a key holds from the start of a daemon to its end.
func isFixed(key string) bool {
	return strings.HasPrefix(key, "postgres.") || key == "data_dir" || key == "installation" || key == "serve.listen" || key == "serve.admin"
}
