package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"syncd/internal/fake/redcap"
)

// fakeProject is a project of the fake, with the name of the job that pulls it.
type fakeProject struct {
	name    string
	what    string
	project *redcap.Project
}

// fakeProjects makes the synthetic projects of the demo, or reads a recorded one.
func fakeProjects(recorded string, records int) ([]fakeProject, error) {
	if recorded != "" {
		p, err := readRecorded(recorded)
		if err != nil {
			return nil, fmt.Errorf("read recorded project: %w", err)
		}
		return []fakeProject{{"recorded", p.Title(), p}}, nil
	}
	small := max(records/40, 10)
	specs := []struct {
		name, what string
		spec       redcap.Spec
	}{
		{"clinic", "classic", redcap.Spec{Kind: redcap.Classic, Records: records, Fields: 30, Title: "Clinic register", ID: 101, Surveys: true, DAGs: 3, Missing: true, Misfits: 2}},
		{"cohort", "longitudinal, two arms of events", redcap.Spec{Kind: redcap.Longitudinal, Records: small, Fields: 40, Title: "Cohort study", ID: 102, Missing: true}},
		{"visits", "repeating instruments", redcap.Spec{Kind: redcap.Repeating, Records: small, Fields: 24, Title: "Home visits", ID: 103, DAGs: 2}},
		{"trial", "repeating events and instruments", redcap.Spec{Kind: redcap.Mixed, Records: small, Fields: 36, Title: "Drug trial", ID: 104, Surveys: true, Misfits: 5}},
	}
	var all []fakeProject
	for _, s := range specs {
		all = append(all, fakeProject{s.name, fmt.Sprintf("%s, %s records: %s", s.spec.Title, count(int64(s.spec.Records)), s.what), redcap.Synthetic(s.spec)})
	}
	return all, nil
}

func readRecorded(path string) (*redcap.Project, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return redcap.ReadFolder(path)
	case strings.HasSuffix(strings.ToLower(path), ".xml"):
		return redcap.ReadXML(path)
	default:
		return redcap.ReadRecording(path)
	}
}

// serveFake answers as one REDCap server with these projects, each time after latency.
func serveFake(listen *fakeListener, projects []fakeProject, latency time.Duration) (*servedFake, error) {
	server := redcap.NewServer(redcap.Options{Latency: latency})
	for _, p := range projects {
		server.Add(p.project)
	}
	return serveHandler(listen, "/api/", server)
}
