package redcap

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func FuzzCallsNeverBreakTheServer(f *testing.F) {
	p := Synthetic(Spec{Kind: Mixed, Records: 3, Fields: 9, DAGs: 1})
	s := serve(Options{}, p)
	for _, seed := range []string{
		"content=record&format=csv", "content=record&records[0]=1&filterLogic=[a(1)]='x' or ([b]<>2", "content=log&beginTime=x",
		"content=metadata&fields[]=a&forms=b,c", "content=record&type=eav&events[7]=visit_1_arm_1&rawOrLabel=label", "%zz=1&&=&records[x]=",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPost, "/api/", strings.NewReader("token="+p.Token()+"&"+body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code < 200 || w.Code > 599 || p.Count() != 3 {
			t.Errorf("status %d, %d records", w.Code, p.Count())
		}
	})
}
