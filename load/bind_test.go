package load

import (
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
	if err := r.Bind(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	since, err := r.Since(t.Context(), false)
	if err != nil || len(since.Marks) != 0 || since.Memo != nil {
		t.Errorf("marks %v, memo %q, %v", since.Marks, since.Memo, err)
	}
	wantCounts(t, loadInto(t, r, &extract.Batch{Scope: about(ids(1, 60), p), Vanished: true}), Counts{Deleted: 60})
	end(t, r, Ending{State: Succeeded})
	r = started(t, w, p)
	if err := r.Bind(t.Context(), mine); extract.KindOf(err) != extract.KindHeld {
		t.Errorf("the project of before: %v", err)
	}
}
