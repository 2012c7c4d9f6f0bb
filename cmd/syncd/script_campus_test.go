package main

import (
	"cmp"
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"syncd/internal/fake/engage"
)

// The keys of the campus that scripts read.
const (
	campusPublic  = "example-u-07"
	campusPrivate = "c0ffee00-5ec7-4e7a-9b1d-canary000001"
	campusHeader  = "4ead0000-5ec7-4e7a-9b1d-canary000002"
)

// openCampus serves a campus to a script. Its keys stand in the environment, where jobs.toml refers to them.
func openCampus(t *testing.T, env *testscript.Env) *engage.Server {
	campus := engage.NewCampus(engage.Spec{Organizations: 12, Users: 60, Memberships: 150, Events: 20, Attendees: 80, Transactions: 10}, time.Now())
	fake := engage.NewServer(campus, engage.Options{Keys: []engage.Key{
		{Public: campusPublic, Private: campusPrivate, Hash: "sha512", IP: "127.0.0.1"},
		{Header: campusHeader},
	}})
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"CAMPUS_URL": server.URL + "/engage/api/", "CAMPUS_IP_PAGE": server.URL + "/ip",
		"CAMPUS_PUBLIC": campusPublic, "CAMPUS_PRIVATE": campusPrivate, "CAMPUS_HEADER": campusHeader, "CAMPUS_OTHER": campusPrivate + "x",
	} {
		env.Setenv(name, value)
	}
	return fake
}

// changeCampus changes the campus, or asks it what was asked of it.
func changeCampus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: campus VERB ...")
	}
	fake := of(ts).engage
	campus := fake.Campus()
	switch verb, args := args[0], args[1:]; verb {
	case "reads-only":
		ts.Check(fake.ReadOnly())
	case "join": // somebody takes a position that somebody holds already
		m := ids(ts, "memberships")[0]
		item, _ := campus.Find("memberships", m)
		_, err := campus.Join(item.Get("userId").Number, item.Get("positionId").Number)
		ts.Check(err)
	case "leave":
		for _, id := range ids(ts, "memberships") {
			if item, _ := campus.Find("memberships", id); item.Get("positionRecordedEndDate").Kind == engage.Null {
				ts.Check(campus.Leave(id))
				return
			}
		}
		ts.Fatalf("nobody is a member")
	case "delete": // RESOURCE NUMBER
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		for _, id := range ids(ts, args[0])[:n] {
			ts.Check(campus.Delete(args[0], id))
		}
	case "scope": // only these resources are in the scope of the key
		fake.SetKey(campusPublic, func(k *engage.Key) { k.Scope = args })
	case "blind": // the key finds nothing in these any more
		fake.SetKey(campusPublic, func(k *engage.Key) { k.Blind = args })
	case "debug":
		fake.SetKey(campusPublic, func(k *engage.Key) { k.Debug = args[0] == "on" })
	case "clock": // the campus's clock is ahead
		d, err := time.ParseDuration(args[0])
		ts.Check(err)
		fake.Set(func(k *engage.Knobs) { k.ClockOffset = d })
	case "asked": // RESOURCE TIMES since it was last told to forget
		if got := strconv.Itoa(fake.Count(args[0])); got != args[1] {
			ts.Fatalf("%s was asked %s times, want %s", args[0], got, args[1])
		}
	case "crowd": // the most requests that were under way at once
		if got := strconv.Itoa(fake.MaxConcurrent()); got != args[0] {
			ts.Fatalf("%s requests were under way at once, want %s", got, args[0])
		}
	case "forget":
		fake.ResetRequests()
	case "live": // the warehouse holds what the campus holds: RESOURCE
		if got, want := query(ts, "SELECT count(*) FROM campus."+args[0]), strconv.Itoa(campus.Live(args[0])); got != want {
			ts.Fatalf("%s: %s rows, the campus has %s", args[0], got, want)
		}
	default:
		ts.Fatalf("campus %s: not known", verb)
	}
}

// ids returns the ids of what a resource holds, in rising order.
func ids(ts *testscript.TestScript, resource string) []int64 {
	var all []int64
	for item := range of(ts).engage.Campus().Truth(resource) {
		all = append(all, item.ID)
	}
	if len(all) == 0 {
		ts.Fatalf("%s holds nothing", resource)
	}
	slices.SortFunc(all, cmp.Compare[int64])
	return all
}
