package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// metricFamilies reads the metrics that this package declares from its source: name to labels.
func metricFamilies(t *testing.T) map[string][]string {
	t.Helper()
	families := map[string][]string{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CompositeLit:
				if s, ok := n.Type.(*ast.SelectorExpr); ok && s.Sel.Name == "Family" {
					family(families, n)
				}
			case *ast.CallExpr:
				if id, ok := n.Fun.(*ast.Ident); ok && id.Name == "ofLedger" {
					families["syncd_"+textOf(n.Args[0])] = textsOf(n.Args[3:])
				}
			}
			return true
		})
	}
	delete(families, "syncd_") // ofLedger itself
	if len(families) < 30 {
		t.Fatalf("%d families found", len(families))
	}
	return families
}

func family(into map[string][]string, n *ast.CompositeLit) {
	name, labels := "", []string{}
	for _, e := range n.Elts {
		kv, ok := e.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		switch fmt.Sprint(kv.Key) {
		case "Name":
			name = textOf(kv.Value)
		case "Labels":
			if list, ok := kv.Value.(*ast.CompositeLit); ok {
				labels = textsOf(list.Elts)
			}
		}
	}
	into["syncd_"+name] = labels
}

func textOf(e ast.Expr) string {
	lit, ok := e.(*ast.BasicLit)
	if !ok {
		return ""
	}
	text, _ := strconv.Unquote(lit.Value)
	return text
}

func textsOf(list []ast.Expr) (texts []string) {
	for _, e := range list {
		texts = append(texts, textOf(e))
	}
	return texts
}

// alertRules are the rules of deploy/prometheus: alert to expression.
func alertRules(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/prometheus/syncd.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	exprs := map[string]string{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" || r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["next"] == "" || exprs[r.Alert] != "" {
				t.Errorf("a rule lacks something, or is there twice: %+v", r)
			}
			exprs[r.Alert] = r.Expr
		}
	}
	return exprs
}

// dashboardQueries are those of deploy/grafana: panel to expressions.
func dashboardQueries(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/grafana/syncd.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr, LegendFormat string }
		}
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	exprs := map[string]string{}
	for _, p := range file.Panels {
		for i, q := range p.Targets {
			exprs[fmt.Sprintf("%s %d", p.Title, i)] = q.Expr
		}
	}
	return exprs
}

// Every metric that a rule or a panel asks for is told, with the labels that it is asked by.
func TestRulesAndDashboardAskForMetricsThatThereAre(t *testing.T) {
	t.Parallel()
	families := metricFamilies(t)
	metric := regexp.MustCompile(`syncd_[a-z_]+`)
	selector := regexp.MustCompile(`(syncd_[a-z_]+)\{([a-z_]+)=`)
	grouped := regexp.MustCompile(`by \(([a-z_, ]+)\)`)
	rules, queries := alertRules(t), dashboardQueries(t)
	if len(rules) < 14 || len(queries) < 24 {
		t.Errorf("%d rules, %d queries", len(rules), len(queries))
	}
	check := func(where, expr string) {
		names := metric.FindAllString(expr, -1)
		if len(names) == 0 {
			t.Errorf("%s asks for nothing of ours: %s", where, expr)
		}
		var labels []string
		for _, name := range names {
			known, ok := families[name]
			if !ok {
				t.Errorf("%s asks for %s, which nobody tells", where, name)
			}
			labels = append(labels, known...)
		}
		for _, m := range selector.FindAllStringSubmatch(expr, -1) {
			if !slices.Contains(families[m[1]], m[2]) {
				t.Errorf("%s: %s has no label %s", where, m[1], m[2])
			}
		}
		for _, m := range grouped.FindAllStringSubmatch(expr, -1) {
			for label := range strings.SplitSeq(m[1], ", ") {
				if !slices.Contains(labels, label) {
					t.Errorf("%s groups by %s, which none of its metrics has", where, label)
				}
			}
		}
	}
	for name, expr := range rules {
		check("alert "+name, expr)
	}
	for name, expr := range queries {
		check("panel "+name, expr)
	}
}

// Labels hold names of jobs.toml and words of ours: there are few of them, and none that a source or a sender could choose.
func TestLabelsAreBounded(t *testing.T) {
	t.Parallel()
	may := []string{"job", "source", "receiver", "notifier", "cause", "kind", "state", "verdict", "outcome", "status", "model", "version", "go", "what"}
	for name, labels := range metricFamilies(t) {
		for _, label := range labels {
			if !slices.Contains(may, label) {
				t.Errorf("%s has the label %q", name, label)
			}
		}
	}
}
