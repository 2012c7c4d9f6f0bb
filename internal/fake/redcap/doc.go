// Package redcap is a fake REDCap server for tests, benchmarks and the demo.
//
// In go project definitions and records: generated from a seed (Synthetic) or read from recorded exports
// (ReadFolder, ReadRecording, ReadXML). Out comes an http.Handler that answers the API's read methods as a
// REDCap of the chosen version does, keeps a log of every call and change, and misbehaves on request (Fault).
//
// Mutators change a project as people do and log what the server would log. What a test compares a warehouse with comes
// from Truth, TruthRecords and Digest, which look at the store and not at an answer; MaxPerMinute and MaxConcurrent say how
// hard the server was used.
//
// It promises to follow what the published API help, recordings and issue threads say about the real server, and it is never
// written from a client: a client and its fake that come from one head agree on the same mistakes. Where the real
// server's behaviour is known only by inference, the choice made is stated at the place it is made.
//
// It must never import another package of this module, and never record a token.
package redcap
