package main

import (
	"syncd/internal/config"
	"syncd/load"
)

// orderOf asks for a run of a job.
func orderOf(cfg *config.Config, j *config.Job, kind string) load.Order {
	return load.Order{Job: j.Name, Kind: kind, Schema: j.Schema, Source: j.Source, Present: present(cfg), ByName: !j.NamesSchema()}
}

// present are the names under which the ledger knows what is in a configuration: jobs, receivers, and their test traffic.
func present(cfg *config.Config) []string {
	names := cfg.Names()
	for _, name := range cfg.ReceiverNames() {
		names = append(names, name, name+testEnding)
	}
	return names
}
