package extract

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestErrorTellsWhatWhereAndWhy(t *testing.T) {
	e := &Error{Kind: KindTransient, What: "export records", Where: "redcap.main record, 25 ids", Cause: io.ErrUnexpectedEOF}
	wrapped := fmt.Errorf("pull asthma: %w", e)
	if got, want := wrapped.Error(), "pull asthma: export records (redcap.main record, 25 ids): unexpected EOF"; got != want {
		t.Errorf("error %q, want %q", got, want)
	}
	if KindOf(wrapped) != KindTransient || !errors.Is(wrapped, io.ErrUnexpectedEOF) {
		t.Error("kind or cause is lost on the way up")
	}
	if got := KindOf(io.EOF); got != KindInternal {
		t.Errorf("an error without a kind is %s", got)
	}
	if got := KindOf(Errorf(KindDrift, "read form", "changed: %w", io.EOF)); got != KindDrift {
		t.Errorf("kind %s", got)
	}
}
