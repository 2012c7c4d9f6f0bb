package redcap

// Options say what of a project a job pulls. They are keys of [job.NAME] in jobs.toml.
type Options struct {
	Pull         []string `toml:"pull" doc:"What is pulled beside project and structure: records, dags; default both."`
	SkipForms    []string `toml:"skip_forms" doc:"Instruments that are not asked for at the source; * matches any text."`
	OnlyForms    []string `toml:"only_forms" doc:"The only instruments that are asked for at the source; * matches any text."`
	SkipFields   []string `toml:"skip_fields" doc:"Fields that are dropped after parsing: never staged, never kept anywhere; * matches any text."`
	Identifiers  string   `toml:"identifiers" doc:"load (default) or skip: skip drops every field that the dictionary flags as an identifier."`
	RecordsWhere string   `toml:"records_where" doc:"REDCap filter logic; only records with a row for which it holds are pulled."`
}
