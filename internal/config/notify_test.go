package config

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mistakesOfNotifiers() []mistake {
	const slack = pg + "[notify.ops]\nkind = 'slack'\n" // 3 lines
	const mailer = pg + "[notify.ops]\nkind = 'email'\nsmtp_url = 'env:SMTP'\nfrom = 'syncd@example.edu'\n"
	return []mistake{
		{"notifier without a kind", pg + "[notify.ops]\nurl = 'env:SLACK'", "2:9: notify.ops.kind: is missing: slack, teams, webhook or email"},
		{"notifier of no kind", pg + "[notify.ops]\nkind = 'slak'\nurl = 'env:SLACK'", `3:8: notify.ops.kind = "slak": must be slack or teams or webhook or email; did you mean slack?`},
		{"slack without a URL", slack, "2:9: notify.ops.url: is missing: a notifier of kind slack needs it"},
		{"the URL itself", slack + "url = 'https://hooks.slack.com/services/" + canary + "'", "4:7: notify.ops.url: must be a reference to a secret: env:NAME, file:PATH, cred:NAME or cmd:/PATH ARGUMENTS; a secret itself is not accepted here"},
		{"slack with recipients", slack + "url = 'env:SLACK'\nto = 'a@example.edu'", "5:1: notify.ops.to: is of no use to a notifier of kind slack"},
		{"mail without recipients", mailer, "2:9: notify.ops.to: is missing: a notifier of kind email needs it"},
		{"mail to nobody", mailer + "to = []", "6:1: notify.ops.to: must be addresses, such as [\"data-team@example.edu\"]"},
		{"mail to what is no address", mailer + "to = ['data team']", "6:1: notify.ops.to: must be addresses, such as [\"data-team@example.edu\"]"},
		{"mail with a URL", mailer + "to = 'a@example.edu'\nurl = 'env:SLACK'", "7:1: notify.ops.url: is of no use to a notifier of kind email"},
		{"unknown cause", slack + "url = 'env:SLACK'\nonly = ['source_dwon']", `5:1: notify.ops.only: element "source_dwon" must be source_down or run_failed or brake_held or job_stale or new_rejects or drift_pending or intake_silent or receiver_misconfigured or certificate_expiring or account_expiring; did you mean source_down?`},
		{"notifiers without a name", pg + "[notify]\nkind = 'slack'", "3:1: notify.kind: must be a table, [notify.NAME], not a text in quotes"},
		{"silence of nothing", receiver + "silent_after = '0s'", `5:16: redox.ward.silent_after = "0s": must be a duration above zero such as "90s", "5m", "26h" or "90d"`},
	}
}

func TestNotifiersAreReadAndWhatTheyLackIsTheirOwnFault(t *testing.T) {
	write(t, map[string]string{"jobs.toml": pg + `
[notify.slack]
kind = "slack"
url = "env:SYNCD_TEST_NO_SLACK"
only = "source_down"
[notify.mail]
kind = "email"
smtp_url = "file:smtp"
from = "syncd <syncd@example.edu>"
to = "data-team@example.edu"
ca_file = "gone.pem"
`, "smtp": "smtps://syncd:x@mail.example.edu\n"})
	c := load(t, "jobs.toml")
	if got := c.NotifierNames(); !slices.Equal(got, []string{"mail", "slack"}) {
		t.Fatalf("%v", got)
	}
	if n := c.Notifiers["mail"]; n.SMTPURL.Ref() != "file:"+folder(t)+"/smtp" || n.To[0] != "data-team@example.edu" || n.CAFile != folder(t)+"/gone.pem" {
		t.Errorf("%+v", n)
	}
	var got []string
	for _, f := range c.Faults(t.Context()) {
		got = append(got, f.Error())
	}
	want := []string{
		"notifier mail is misconfigured (jobs.toml:12, notify.mail.ca_file): read file " + folder(t) + "/gone.pem: no such file or directory",
		"notifier slack is misconfigured (jobs.toml:5, notify.slack.url): read secret env:SYNCD_TEST_NO_SLACK: the environment variable is not set, or empty",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	if _, err := c.Notifier("slak"); err == nil || err.Error() != `no notifier "slak" in jobs.toml; did you mean slack?` {
		t.Errorf("%v", err)
	}
}
