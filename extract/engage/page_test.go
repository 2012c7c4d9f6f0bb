package engage

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const goodPage = `{"pageNumber": 2, "pageSize": 100, "totalItems": 102, "totalPages": 2, "items": [{"a":1}, {"b":"}]"}]}`

func TestPageIsReadWithItsItemsAsTheyStand(t *testing.T) {
	for name, body := range map[string]string{
		"as recorded":         goodPage,
		"in another order":    `{"items":[{"a":1},{"b":"}]"}],"totalPages":2,"totalItems":102,"pageSize":100,"pageNumber":2}`,
		"with more":           `{"version":{"x":[1]},` + goodPage[1:],
		"with white space":    "\r\n " + goodPage + "\r\n\t ",
		"with names twice":    `{"x":1,"x":2,` + goodPage[1:],
		"with a name escaped": strings.Replace(goodPage, "items", `\u0069tems`, 1),
	} {
		e, items, err := readPage([]byte(body))
		if err != nil || (e != Envelope{PageNumber: 2, PageSize: 100, TotalItems: 102, TotalPages: 2}) {
			t.Errorf("%s: %+v, %v", name, e, err)
			continue
		}
		if len(items) != 2 || string(items[0]) != `{"a":1}` || string(items[1]) != `{"b":"}]"}` {
			t.Errorf("%s: items %s", name, items)
		}
	}
}

func TestAnEmptyListIsAPage(t *testing.T) {
	e, items, err := readPage([]byte(`{"pageNumber": 1, "pageSize": 100, "totalItems": 0, "totalPages": 0, "items": []}`))
	if err != nil || len(items) != 0 || e.PageSize != 100 {
		t.Errorf("%+v, %d items, %v", e, len(items), err)
	}
}

func TestItemsAreHandedOnWhateverTheyHold(t *testing.T) {
	item := `{"id":9007199254740993,"id":2,"name":"` + "\xff" + `","deep":` + strings.Repeat("[", 50) + strings.Repeat("]", 50) + `}`
	_, items, err := readPage([]byte(`{"pageNumber":1,"pageSize":1,"totalItems":1,"totalPages":1,"items":[` + item + `]}`))
	if err != nil || len(items) != 1 || string(items[0]) != item {
		t.Errorf("%s, %v", items, err)
	}
}

func TestWhatIsNoPageIsNeverTakenForAnEmptyOne(t *testing.T) {
	with := func(old, new string) string { return strings.Replace(goodPage, old, new, 1) }
	for name, v := range map[string]struct {
		body string
		want error
	}{
		"nothing":                {"", errBlank},
		"white space":            {" \r\n", errBlank},
		"a web page":             {"<!DOCTYPE html><html>", errWebPage},
		"XML of version 1":       {"\r\n<results><error><type>AUTHENTICATION_ERROR</type></error></results>", errWebPage},
		"a list alone":           {"[]", errNotJSON},
		"null":                   {"null", errNotJSON},
		"a text":                 {`"maintenance"`, errNotJSON},
		"an error":               {`{"error":"x"}`, errNoPage},
		"of version 3":           {`{"skip":0,"take":100,"totalItems":1,"items":[]}`, errNoPage},
		"items null":             {with(`[{"a":1}, {"b":"}]"}]`, `null`), errNoList},
		"items an object":        {with(`[{"a":1}, {"b":"}]"}]`, `{"a":{}}`), errNoList},
		"items a text":           {with(`[{"a":1}, {"b":"}]"}]`, `"[]"`), errNoList},
		"an item null":           {with(`{"a":1}`, `null`), errNoObject},
		"an item that is a list": {with(`{"a":1}`, `[]`), errNoObject},
		"items twice":            {with(`"items"`, `"items":[],"items"`), errNoPage},
		"no total":               {with(`"totalItems"`, `"total"`), errNoPage},
		"a count as text":        {with(`102`, `"102"`), errNoNumber},
		"a count with decimals":  {with(`102`, `102.5`), errNoNumber},
		"a negative count":       {with(`102`, `-1`), errNoNumber},
		"a count too large":      {with(`102`, `99999999999999999999`), errNoNumber},
		"a count null":           {with(`102`, `null`), errNoNumber},
		"two documents":          {goodPage + goodPage, errNotJSON},
		"noise behind":           {goodPage + "x", errNotJSON},
		"a comma too many":       {with(`{"a":1},`, `{"a":1},,`), errNotJSON},
		"nested without end":     {with(`{"a":1}`, `{"a":`+strings.Repeat("[", 20_000)+`}`), errNotJSON},
	} {
		if _, items, err := readPage([]byte(v.body)); !errors.Is(err, v.want) || items != nil {
			t.Errorf("%s: %v and %d items, want %v", name, err, len(items), v.want)
		}
	}
}

func TestAPageCutAnywhereIsNoPage(t *testing.T) {
	for i := 1; i < len(goodPage); i++ {
		if _, items, err := readPage([]byte(goodPage[:i])); !errors.Is(err, errCut) || items != nil {
			t.Errorf("cut after %d bytes: %v", i, err)
		}
	}
}

func TestRecordedResponsesArePages(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "fixtures", "engage")
	memberships, err := os.ReadFile(filepath.Join(dir, "v2_memberships_82.json"))
	if err != nil {
		t.Skipf("recorded responses are not here: %v", err)
	}
	if e, items, err := readPage(memberships); err != nil || len(items) != 82 || e.TotalItems != 82 || e.TotalPages != 1 {
		t.Errorf("memberships: %+v with %d items, %v", e, len(items), err)
	}
	organizations, err := os.ReadFile(filepath.Join(dir, "v2_organizations_by_id_01-20.json"))
	if err != nil {
		t.Fatal(err)
	}
	var pages []jsontext.Value
	if err := json.Unmarshal(organizations, &pages); err != nil || len(pages) != 20 {
		t.Fatalf("%d answers, %v", len(pages), err)
	}
	for i, page := range pages {
		if e, items, err := readPage(page); err != nil || len(items) != 1 || e.TotalItems != 1 {
			t.Errorf("answer %d: %+v with %d items, %v", i, e, len(items), err)
		}
	}
}

func FuzzPage(f *testing.F) {
	for _, s := range []string{goodPage, "", "<html>", "{}", `{"items":[`, `{"pageNumber":1e3}`, "[]", "\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, items, err := readPage(body)
		if err != nil {
			if items != nil || e != (Envelope{}) {
				t.Errorf("an error and %d items", len(items))
			}
			return
		}
		for _, item := range items {
			if item.Kind() != '{' || !item.IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) {
				t.Errorf("item %q", item)
			}
		}
	})
}
