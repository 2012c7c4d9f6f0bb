package extract

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestKeySetIsASetInByteOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOf(rapid.OneOf(rapid.String(), rapid.StringMatching(`[0-2]{0,3}`))).Draw(t, "keys")
		model := map[string]bool{}
		var s KeySet
		for _, k := range keys {
			s.Add(k)
			model[k] = true
		}
		dropped := s.Sort()
		want := slices.Sorted(maps.Keys(model))
		if dropped != len(keys)-len(want) || s.Len() != len(want) {
			t.Fatalf("%d keys, %d dropped, %d left; want %d", len(keys), dropped, s.Len(), len(want))
		}
		if diff := cmp.Diff(want, slices.Collect(s.All())); diff != "" {
			t.Fatal(diff)
		}
		for i, k := range want {
			if s.At(i) != k || !s.Has(k) {
				t.Fatalf("key %d is %q, want %q", i, s.At(i), k)
			}
		}
		other := rapid.String().Draw(t, "other")
		if s.Has(other) != model[other] {
			t.Fatalf("Has(%q) = %v", other, s.Has(other))
		}
		before := rapid.IntRange(-1, len(want)+1).Draw(t, "before") // any hint leads to the same place
		for _, k := range append(want, other) {
			place, known := slices.BinarySearch(want, k)
			if at, ok := s.Place([]byte(k), before); ok != known || ok && at != place {
				t.Fatalf("Place(%q, %d) = %d, %v; want %d, %v", k, before, at, ok, place, known)
			}
		}
	})
}

func TestNilKeySetIsEmpty(t *testing.T) {
	var s *KeySet
	if s.Len() != 0 || s.Has("") || len(slices.Collect(s.All())) != 0 {
		t.Error("a nil set holds something")
	}
	if _, ok := s.Place([]byte(""), 0); ok {
		t.Error("a nil set has a place")
	}
}

func TestKeySetStopsWhenAsked(t *testing.T) {
	var s KeySet
	s.Add("b")
	s.Add("a")
	s.Sort()
	for k := range s.All() {
		if k != "a" {
			t.Errorf("went on to %q", k)
		}
		break
	}
}

func TestSplitKeyUndoesJoinKey(t *testing.T) {
	for _, key := range [][]string{{""}, {"1"}, {"1", "", "3"}, {"a b", "Zoë"}} {
		if got := SplitKey(JoinKey(key...)); !slices.Equal(got, key) {
			t.Errorf("%q becomes %q", key, got)
		}
	}
}
