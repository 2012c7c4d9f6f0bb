package main

import (
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"syncd/internal/config"
)

// TestComposeFiles keeps the containers to what docs/operations.md says of them: every service is judged by a health check or is
// only a rehearsal's, writes to nothing but its volumes, and is reached from this machine only.
func TestComposeFiles(t *testing.T) {
	for file, rehearsal := range map[string]bool{"../../docker-compose.yml": false, "../../deploy/demo/docker-compose.yml": true} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var composed struct {
			Services map[string]struct {
				Image       string
				Healthcheck map[string]any
				ReadOnly    bool     `yaml:"read_only"`
				CapDrop     []string `yaml:"cap_drop"`
				Ports       []string
				Network     string `yaml:"network_mode"`
				Volumes     []string
			}
		}
		if err := yaml.Unmarshal(text, &composed); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if len(composed.Services) < 4 {
			t.Errorf("%s: %d services", file, len(composed.Services))
		}
		for name, s := range composed.Services {
			for _, port := range s.Ports {
				if !strings.HasPrefix(port, "127.0.0.1:") {
					t.Errorf("%s: %s is reached from outside by port %s", file, name, port)
				}
			}
			if rehearsal && s.Image == "" {
				continue // adds to a service of the other file
			}
			if !rehearsal && s.Healthcheck == nil {
				t.Errorf("%s: %s has no health check", file, name)
			}
			if name != "postgres" && (!s.ReadOnly || len(s.CapDrop) == 0) {
				t.Errorf("%s: %s may write, or has capabilities", file, name)
			}
			if name == "postgres" && s.Network != "none" {
				t.Errorf("%s: Postgres is on a network", file)
			}
		}
	}
}

// TestConfigurationOfTheComposedDemo is one that the daemon takes.
func TestConfigurationOfTheComposedDemo(t *testing.T) {
	cfg, err := config.Load("../../deploy/demo/jobs.toml")
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Jobs) != 3 || len(cfg.Receivers) != 1 {
		t.Errorf("%d jobs, %d receivers", len(cfg.Jobs), len(cfg.Receivers))
	}
}
