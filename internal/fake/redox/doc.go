// Package redox is a fake Redox for tests, benchmarks and the demo: a sender that pushes as Redox does, with every way of
// authenticating itself, and a generator of patient histories whose truth it knows.
//
// It promises to follow what is published about the real sender, and it is never written from a receiver. It must never import
// another package of this module.
package redox
