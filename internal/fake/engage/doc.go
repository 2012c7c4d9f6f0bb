// Package engage is a fake Engage server (API v2, and the lists of v3) for tests, benchmarks and the demo.
//
// In goes a Spec: how large a campus is, and the seed it is made from. Out comes an http.Handler that answers the
// resources organizations, memberships, positions, users, events, attendees, financetransactions and test as a campus does,
// for keys that sign and for keys in a header, keeps a log of every call, and misbehaves on request (Knobs, Fault).
// A campus of millions of rows costs little memory: its rows are computed when they are read, and only what was changed is kept.
//
// Mutators change a campus as people do, with the modification times that filters select on. What a test compares a
// warehouse with comes from Truth and Deleted, which look at the campus and not at an answer; MaxPerSecond, MaxPerMinute and
// MaxConcurrent say how hard the server was used.
//
// It promises to follow what the vendor's articles, recorded answers and the code of public clients say, and it is never
// written from a client of ours: a client and its fake that come from one head agree on the same mistakes. Where the real server's
// behaviour is not known, the choice made is stated at the place it is made, and most such choices are knobs.
//
// It must never import another package of this module, and never record a key, a signature or a random value.
package engage
