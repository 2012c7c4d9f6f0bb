package redcap

import "time"

// Options say what of a project a job pulls. They are keys of [job.NAME] in jobs.toml.
type Options struct {
	Pull         []string      `toml:"pull" default:"records,dags" oneof:"records,dags,users,log,log.details,participants,files,file_repository,reports" doc:"What is pulled beside project and structure, which always are. log.details implies log. PDFs, survey links, access and return codes are never asked for."`
	Files        string        `toml:"files" otherwise:"none" oneof:"names,contents" doc:"How files are pulled, and that they are: the name of each uploaded file, or its bytes as well, once for each content. What pull names without it is names. It holds for the file repository, too, where pull names that."`
	Reports      []int         `toml:"reports" otherwise:"none" doc:"Ids of the reports that are pulled, each as table report_ID, replaced whole. A report's id is in its address in REDCap."`
	SkipForms    []string      `toml:"skip_forms" otherwise:"none" doc:"Instruments that are not asked for at the source; * matches any text."`
	OnlyForms    []string      `toml:"only_forms" otherwise:"all" doc:"The only instruments that are asked for at the source; * matches any text."`
	SkipFields   []string      `toml:"skip_fields" otherwise:"none" doc:"Fields that are dropped after parsing: never staged, never kept anywhere; * matches any text."`
	Identifiers  string        `toml:"identifiers" default:"load" oneof:"load,skip" doc:"skip drops every field that the dictionary flags as an identifier."`
	Reread       time.Duration `toml:"reread" otherwise:"24h" doc:"How far before the last good run a run by changes asks for what changed, at least 2h: clocks, zones and long transactions are covered by it."`
	RecordsWhere string        `toml:"records_where" otherwise:"every record" doc:"REDCap filter logic; only records with a row for which it holds are pulled."`
}
