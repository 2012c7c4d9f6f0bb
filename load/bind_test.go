package load

import (
	"errors"
	"testing"

	"syncd/extract"
)

func TestAnotherProjectIsReadOnlyAfterSomebodyApprovedIt(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	mine, other := extract.Identity{Server: "https://redcap.example.edu/api/", ID: "15"}, extract.Identity{Server: "https://redcap.example.edu/api/", ID: "16"}
	r := started(t, w, p)
	if err := r.Bind(t.Context(), mine); err != nil {
		t.Fatal(err)
	}
	b := many(p, ids(1, 60))
	b.Marks, b.Memo = []extract.Mark{{Name: "m", Value: "1"}}, []byte("memo")
	loadInto(t, r, b)
	end(t, r, Ending{State: Succeeded})

	r = started(t, w, p)
	if err := r.Bind(t.Context(), other); extract.KindOf(err) != extract.KindHeld {
		t.Fatalf("another project: %v", err)
	}
	end(t, r, Ending{State: Held})
	if a, err := w.Approve(t.Context(), r.ID(), "ada"); err != nil || !a.Source {
		t.Fatalf("approval %+v, %v", a, err)
	}
	r = started(t, w, p)
	if err := r.Bind(t.Context(), extract.Identity{Server: mine.Server, ID: "17"}); extract.KindOf(err) != extract.KindHeld {
		t.Fatalf("a third project: %v", err)
	}
	// What the run has read of marks was the other's: it begins again.
	if err := r.Bind(t.Context(), other); extract.KindOf(err) != extract.KindDrift {
		t.Fatalf("rebound: %v", err)
	}
	r = next(t, w, r, p) // as one that was killed
	if err := r.Bind(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	since, err := r.Since(t.Context(), false)
	if err != nil || len(since.Marks) != 0 || since.Memo != nil {
		t.Errorf("marks %v, memo %q, %v", since.Marks, since.Memo, err)
	}
	gone := &extract.Batch{Scope: about(ids(1, 60), p), Vanished: true, Doubt: "it is another project", Marks: b.Marks}
	wantCounts(t, loadInto(t, r, gone), Counts{Deleted: 60})
	if got := ask[string](t, w, "SELECT action || ' ' || detail::text FROM syncd.audit WHERE action = 'rebind'"); got != `rebind {"to": "https://redcap.example.edu/api/ 16", "from": "https://redcap.example.edu/api/ 15"}` {
		t.Errorf("audit: %s", got)
	}

	// From then on it is a source like any other.
	loadInto(t, r, many(p, ids(1, 60)))
	r = next(t, w, r, p)
	if err := r.Bind(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Load(t.Context(), gone); !errors.As(err, new(*HeldError)) {
		t.Errorf("an approval of before was taken for one of now: %v", err)
	}
	end(t, r, Ending{State: Succeeded})
	r = started(t, w, p)
	if err := r.Bind(t.Context(), mine); extract.KindOf(err) != extract.KindHeld {
		t.Errorf("the project of before: %v", err)
	}
}

func TestApprovalOfAnotherProjectEndsWhenTheOldOneAnswers(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	mine, other := extract.Identity{Server: "s", ID: "15"}, extract.Identity{Server: "s", ID: "16"}
	bind := func(id extract.Identity, want extract.Kind) *Run {
		t.Helper()
		r := begin(t, w, order())
		if err := r.Bind(t.Context(), id); want == "" && err != nil || want != "" && extract.KindOf(err) != want {
			t.Fatalf("bind to %s: %v", id.ID, err)
		}
		state := Succeeded
		if want != "" {
			state = Held
		}
		end(t, r, Ending{State: state})
		return r
	}
	bind(mine, "")
	r := bind(other, extract.KindHeld)
	if a, err := w.Approve(t.Context(), r.ID(), "ada"); err != nil || !a.Source {
		t.Fatal(a, err)
	}
	bind(mine, "") // the token was put back
	bind(other, extract.KindHeld)
}
