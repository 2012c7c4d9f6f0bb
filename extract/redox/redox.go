// Package redox receives what Redox pushes, and turns it into tables.
//
// It has two halves that meet in the inbox. The Receiver takes a request, judges who sent it (package auth), reads of it
// what is needed to know it again, hands its exact bytes to the Inbox, and answers 200 when they are committed. The Source
// takes deliveries out of a Queue, decodes them into the states of patients, visits, orders and so on, and hands those on in
// batches, as every extract.Source does. Between the two nothing is lost: whatever was authenticated and can be stored is kept
// first and judged later.
//
// What comes in: requests, and deliveries. What goes out: deliveries, and batches. It must never know Postgres.
package redox

import (
	"context"

	"syncd/extract"
)

// Inbox keeps deliveries. The warehouse's loader implements it; its methods may be called at once from many goroutines.
type Inbox interface {
	// Accept returns after the delivery and its bytes are committed and on disk, and says whether they were there already.
	// Any error means that the sender must try again; it says nothing about whether the delivery is kept. When ctx ends it may return
	// while d is still read. letGo is called once, when it is not read any more: then, or before Accept returns.
	Accept(ctx context.Context, d *extract.Delivery, letGo func()) (known bool, err error)
	// Verified notes that the receiver was verified from outside, in this form: "GET" or "POST".
	Verified(ctx context.Context, destination, form string) error
}

// Queue is what the inbox holds for one Source: one receiver, and either its production traffic or its test traffic.
type Queue interface {
	// Models lists the models of all deliveries that were ever kept, and those of the stored tables.
	Models(ctx context.Context) ([]string, error)
	// Take returns pending deliveries, oldest first, at most so many and, beyond the first, at most so many bytes. Those whose
	// Seq is in handed were taken before and are not returned again.
	Take(ctx context.Context, most, bytes int, handed []int64) ([]*extract.Delivery, error)
	// Wait returns when there may be something to take, or when ctx ends.
	Wait(ctx context.Context) error
}
