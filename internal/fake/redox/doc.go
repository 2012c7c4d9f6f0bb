// Package redox is a fake Redox for tests, benchmarks and the demo: a sender that pushes as Redox does, with every way of
// authenticating itself, and a generator of patient histories whose truth it knows.
//
// A History tells what goes on in a hospital, message by message, and its Truth is what a warehouse must hold at the end. A
// Sender delivers messages in queues that wait for exactly 200, with retries, duplicates and a Ledger of what was
// acknowledged; a Credential goes along, and an Issuer is whom a receiver asks about it. Traffic and Pump are for measuring: many
// messages, sent at little cost.
//
// It promises to follow what is published about the real sender, and it is never written from a receiver. Where the real
// sender's behaviour is not published, the choice made is stated at the place it is made. It must never import another package of
// this module.
package redox
