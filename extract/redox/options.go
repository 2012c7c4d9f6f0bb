package redox

// Options say where a receiver is and what it does with what it gets. They are keys of [redox.NAME] in jobs.toml.
type Options struct {
	Path                        string   `toml:"path" otherwise:"required" doc:"Path that Redox pushes to, of one receiver alone and hard to guess: /redox/hospital-7f3c. A token endpoint, where the strategy has one, is PATH/oauth/token."`
	PatientIDTypes              []string `toml:"patient_id_types" otherwise:"none: the smallest identifier" doc:"Types of identifiers by which patients are keyed, the first that a message has: MR. They differ from site to site."`
	OnQuery                     string   `toml:"on_query" default:"501" oneof:"501,empty" doc:"What a query is answered with, after it was kept: status 501, or 200 with an answer that holds nothing. Everything else is answered with 200."`
	HandshakeRequiresCredential bool     `toml:"handshake_requires_credential" default:"false" doc:"Ask for both token and credential when Redox verifies the destination; otherwise either does."`
	MaxBody                     int      `toml:"max_body" default:"64MiB" size:"" doc:"Largest body, and largest after decompression, that is taken; Redox sends up to 40 MB. What is larger is answered with 413 and stops the feed, so keep it above what Redox can send."`
	Retention                   string   `toml:"retention" otherwise:"payloads of [retention]" doc:"How long the bytes of deliveries are kept: 180d, 3y, or forever. What is needed to know a delivery again is kept for ever; deliveries whose bytes are gone cannot be replayed."`
}

// What on_query may be.
const (
	queryRefused = "501"
	queryEmpty   = "empty"
)
