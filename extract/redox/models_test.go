package redox

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"syncd/extract"
)

// said is a message of a data model, sent so many minutes after noon.
func said(seq int64, model, event, members string) *extract.Delivery {
	return delivery(seq, fmt.Sprintf(`{"Meta":{"DataModel":%q,"EventType":%q,"EventDateTime":%q,"Source":{"ID":"s"}}%s}`,
		model, event, noon.Add(time.Duration(seq)*time.Minute).Format(time.RFC3339), members))
}

// timothy is a patient with two identifiers, of whom more is known than should stand beside each value.
const timothy = `,"Patient":{"Identifiers":[{"ID":"7","IDType":"MR"},{"ID":"e","IDType":"EPI"}],"Demographics":{"SSN":"101-01-0001"}}`

func TestADoseIsKnownByItsOrderElseByWhatWasGivenAndWhen(t *testing.T) {
	b := batchOf(t, []string{"MR"}, said(1, "Vaccination", "New", timothy+`,"Visit":{"VisitNumber":"v"},"Vaccinations":[
		{"Order":{"ID":"o","EHRID":"x"},"Product":{"Code":"20","LotNumber":"l"},"DateTime":"2020-01-01T10:00:00Z"},
		{"Order":{"EHRID":"x"}},
		{"Product":{"Code":"20"},"DateTime":"2020-01-01T10:00:00Z","Dose":{"Quantity":"0.50"}},
		{"Product":{"Code":"20"},"DateTime":"2020-01-01T11:00:00+0100"},
		{"Notes":["nothing to know it by"]}]`))
	expect(t, shown(b, "vaccination", "patient_id", "id_type", "id", "ordinal", "visit_number", "product_lot_number", "dose_quantity"),
		"7 | ehr | x | 1 | v | - | -", "7 | order | o | 1 | v | l | -",
		"7 | product | 20 2020-01-01 10:00:00+00 | 1 | v | - | 0.50", "7 | product | 20 2020-01-01 10:00:00+00 | 2 | v | - | -")
	if len(b.Rejects) != 1 {
		t.Errorf("%d rejects", len(b.Rejects))
	}
	taken := said(2, "Vaccination", "Administration", timothy+`,"Vaccinations":[{"Action":"Delete","Order":{"ID":"o"}}]`)
	given := said(1, "Vaccination", "New", timothy+`,"Vaccinations":[{"Order":{"ID":"o"}}]`)
	for _, order := range [][]*extract.Delivery{{given, taken}, {taken, given}} {
		if w := loaded(t, order, func(int) bool { return true }); len(w.rows[vaccination.tables[0].live]) != 0 {
			t.Error("a dose stands that was taken back")
		}
	}
}

func TestTwoValuesOfOneCodeAndTimeAreTwoObservations(t *testing.T) {
	values := `,"Visit":{"VisitNumber":"v","AccountNumber":"a"},"Observations":[
		{"Code":"c","DateTime":"2015-08-13T21:08:57.581Z","Value":"110.00","ReferenceRange":{"Low":1.50}},
		{"Code":"c","DateTime":"2015-08-13T17:08:57.581-0400","Value":"90"},{"DateTime":"once","Value":"1"}]`
	b := batchOf(t, []string{"MR"}, said(1, "Flowsheet", "New", timothy+values))
	expect(t, shown(b, "observation", "patient_id", "visit_number", "code", "date_time", "ordinal", "value", "reference_range_low", "account_number"),
		"7 | v |  | - | 1 | 1 | - | a | date_time~once", "7 | v | c | 2015-08-13 21:08:57.581+00 | 1 | 110.00 | 1.50 | a",
		"7 | v | c | 2015-08-13 21:08:57.581+00 | 2 | 90 | - | a")
	for _, rows := range b.Rows {
		for i := range rows.Len() {
			for j := range rows.Table.Columns {
				if cell, _ := rows.Cell(i, j); strings.Contains(string(cell), "101-01-0001") {
					t.Errorf("who the patient is stands in %s", rows.Table.Name)
				}
			}
		}
	}
	b = batchOf(t, nil, said(1, "Flowsheet", "New", `,"Observations":[{"Code":"of nobody"}]`))
	if len(b.Rejects) != 1 || b.Scope != nil {
		t.Errorf("a value of nobody is kept: %+v", b.Rejects)
	}
	b = batchOf(t, []string{"MR"}, said(1, "Device", "New", `,"Device":{"ID":"d"},"Observations":[{"Code":"c","DateTime":"2020-01-01","Value":"1"},{"Code":"c"}]`))
	expect(t, shown(b, "device_observation", "device_id", "code", "date_time_key", "ordinal", "value", "patient_id"),
		"d | c |  | 1 | - | -", "d | c | 2020-01-01 00:00:00+00 | 1 | 1 | -")
}

func TestChargesAndAccounts(t *testing.T) {
	b := batchOf(t, []string{"MR"},
		said(1, "Financial", "Transaction", timothy+`,"Visit":{"VisitNumber":"v","AccountNumber":"a","Guarantor":{"Number":"g"}},"Transactions":[
			{"ID":1,"Type":"Charge","Chargeable":{"Amount":"12.50","Quantity":2},"Diagnoses":[{"Code":"x"},{"Code":"y"}]},{"ID":"","Type":"Charge"}]`),
		said(2, "Financial", "AccountUpdate", timothy+`,"Visit":{"VisitNumber":"v","AccountNumber":"a","Balance":-3.10,"DiagnosisRelatedGroup":"039"}`),
		said(3, "Financial", "AccountUpdate", `,"Visit":{"VisitNumber":"w"}`))
	expect(t, shown(b, "charge", "id", "type", "chargeable_amount", "chargeable_quantity", "account_number", "visit"),
		`1 | Charge | 12.50 | 2 | a | {"Guarantor": {"Number": "g"}}`)
	expect(t, shown(b, "charge_diagnosis", "id", "ordinal", "code"), "1 | 1 | x", "1 | 2 | y")
	expect(t, shown(b, "account", "id_type", "id", "balance", "diagnosis_related_group", "patient_id"),
		"AccountNumber | a | -3.10 | 039 | 7", "VisitNumber | w | - | - | -")
	if len(b.Rejects) != 1 {
		t.Errorf("%d rejects", len(b.Rejects))
	}
}

func TestClaimsAloneAndInBatchesMakeTheSameColumns(t *testing.T) {
	const insurance = `"Insurance":{"Company":{"ID":"60054","Name":"payer"},"Plan":{"ID":"p"},"GroupNumber":"g"}`
	one := said(1, "Claim", "Submission", timothy+`,"Transaction":{"ID":"t","Type":"Professional"},"BillingProvider":{"ID":"b","IDType":"NPI"},
		"Subscriber":{"ID":"u",`+insurance+`},"Claims":[{"ID":"c","TotalAmount":"200.00","Visit":{"VisitNumber":"v"},
		"Lines":[{"ID":"l","Amount":"1","Procedure":{"Code":"73560","CodeSet":"CPT"},"ServiceDateTime":"2016-10-05","UnitCount":"1","Units":"x"}]}]`)
	batch := said(2, "Claim", "SubmissionBatch", `,"Transactions":[{"ID":"t2","Type":"Professional","Submissions":[
		{"BillingProvider":{"Identifiers":[{"ID":"1","IDType":"A"},{"ID":"b","IDType":"NPI"}]},"Subscribers":[{"Identifiers":[{"ID":"u"}],`+insurance+`,
		"Patients":[{"Identifiers":[{"ID":"7","IDType":"MR"}],"Claims":[{"SubmissionNumber":"c","TotalAmount":"200.00","Visit":{"VisitNumber":"v"},
		"Services":[{"Amount":"1","Code":"73560","Codeset":"CPT","StartDateTime":"2016-10-05","Quantity":{"Value":"1","Units":"x"}}]},{"Type":"nameless"}]}]}]}]}]`)
	b := batchOf(t, []string{"MR"}, one, batch)
	expect(t, shown(b, "claim", "transaction_id", "claim_id", "patient_id", "visit_number", "billing_provider_id", "subscriber_id", "payer_name", "plan_id", "total_amount"),
		"t | c | 7 | v | b | u | payer | p | 200.00", "t2 | #1 | 7 | - | b | u | payer | p | -", "t2 | c | 7 | v | b | u | payer | p | 200.00")
	expect(t, shown(b, "claim_line", "transaction_id", "claim_id", "ordinal", "id", "procedure_code", "procedure_code_set", "service_date_time", "unit_count", "units"),
		"t | c | 1 | l | 73560 | CPT | 2016-10-05 00:00:00+00 | 1 | x", "t2 | c | 1 | - | 73560 | CPT | 2016-10-05 00:00:00+00 | 1 | x")
}

func TestPaymentsAloneAndInBatchesMakeTheSameColumns(t *testing.T) {
	patient := `"Patient":{"Identifiers":[{"ID":"7","IDType":"MR"}]}`
	one := said(1, "Claim", "Payment", `,"Transaction":{"ID":"t","TrackingNumber":"n"},"Payer":{"ID":"p","Name":"payer"},"Payments":[{`+patient+`,"DateTime":"2016-11-08T00:00:00Z",
		"Claim":{"Number":"c","PaymentAmount":"65.00","Adjustments":[{"Amount":"1","ReasonGroup":"CO"}],
		"Services":[{"PaymentAmount":"65.00","SubmittedProcedure":{"Code":"1"},"ServiceDateTime":"2016-11-01","Adjustments":[{"Amount":"20"},{"Amount":"15"}]}]}}]`)
	batch := said(2, "Claim", "PaymentBatch", `,"Transactions":[{"ID":"t2","TrackingNumber":"n","Payments":[{`+patient+`,"DateTime":"2016-11-08T00:00:00Z",
		"Claims":[{"ControlNumber":"c","PaymentAmount":"65.00","Adjustments":[{"Amount":"1","Type":"CO"}],
		"Services":[{"PaymentAmount":"65.00","SubmittedService":{"Code":"1"},"StartDateTime":"2016-11-01","Adjustments":[{"Amount":"20"},{"Amount":"15"}]}]}]}]}]`)
	b := batchOf(t, []string{"MR"}, one, batch)
	expect(t, shown(b, "remittance", "transaction_id", "tracking_number", "payer_name"), "t | n | payer", "t2 | n | -")
	for _, c := range []struct {
		table   string
		columns []string
		want    []string
	}{
		{"remittance_claim", []string{"ordinal", "number", "payment_amount", "patient_id", "payment_date_time"}, []string{"1 | c | 65.00 | 7 | 2016-11-08 00:00:00+00"}},
		{"remittance_service", []string{"remittance_claim_ordinal", "ordinal", "submitted_procedure_code", "service_date_time"}, []string{"1 | 1 | 1 | 2016-11-01 00:00:00+00"}},
		{
			"adjustment",
			[]string{"remittance_claim_ordinal", "remittance_service_ordinal", "ordinal", "amount", "reason_group"},
			[]string{"1 | 0 | 1 | 1 | CO", "1 | 1 | 1 | 20 | -", "1 | 1 | 2 | 15 | -"},
		},
	} {
		var want []string
		for _, transaction := range []string{"t", "t2"} {
			for _, line := range c.want {
				want = append(want, transaction+" | "+line)
			}
		}
		expect(t, shown(b, c.table, append([]string{"transaction_id"}, c.columns...)...), want...)
	}
	b = batchOf(t, nil, said(3, "Claim", "Payment", `,"Payments":[{"Claim":{"Number":"c"}}]`))
	expect(t, shown(b, "remittance", "transaction_id"), said(3, "", "", "").Key+"#1")
}

func TestReferralsAndTheirAuthorizations(t *testing.T) {
	b := batchOf(t, []string{"MR"},
		said(1, "Referral", "New", timothy+`,"Referral":{"ID":"r","IDType":"x","Visit":{"VisitNumber":"v"},"Providers":[{"ID":"1","Type":"Referring"},{"ID":"2"}]}`),
		said(2, "Referral", "Cancel", timothy+`,"Referral":{"AlternateID":"alt"}`),
		said(3, "Referral", "AuthReview", timothy+`,"Referral":{"Notes":["n"]},"Authorization":{"Request":{"ID":"q"},"Services":[{"Code":"1","Quantity":{"Value":"1"}}]}`),
		said(4, "Referral", "AuthResponse", timothy+`,"Referral":{"ID":"r","IDType":"x"},"Authorization":{"Number":"n","Decision":"Certified"}`),
		said(5, "Referral", "New", timothy))
	expect(t, shown(b, "referral", "referral_id_type", "referral_id", "event_type", "patient_id", "visit_number"),
		"AlternateID | alt | Cancel | 7 | -", "x | r | AuthResponse | 7 | -")
	expect(t, shown(b, "referral_authorization", "request_id_type", "request_id", "decision", "referral_id", "referral"),
		` | q | - | - | {"Notes": ["n"]}`, "Number | n | Certified | r | -")
	expect(t, shown(b, "referral_authorization_service", "request_id", "ordinal", "code", "quantity_value"), "q | 1 | 1 | 1")
	if len(b.Rejects) != 1 {
		t.Errorf("%d rejects", len(b.Rejects))
	}
}

func TestAProviderThatIsDeactivatedKeepsWhatIsKnown(t *testing.T) {
	const id = `"Identifiers":[{"ID":"0","IDType":"A"},{"ID":"9","IDType":"NPI"}]`
	events := []*extract.Delivery{
		said(1, "Provider", "New", `,"Providers":[{`+id+`,"IsActive":true,"Demographics":{"LastName":"Granite"},"Roles":[{"Organization":{"IsActive":"True"}}]}]`),
		said(2, "Provider", "Deactivate", `,"Providers":[{`+id+`}]`),
		said(3, "Provider", "Update", `,"Providers":[{"Identifiers":[{"ID":"8","IDType":"NPI"}],"Demographics":{"LastName":"Other"}}]`),
	}
	permute(events, func(order []*extract.Delivery) {
		w := loaded(t, order, func(int) bool { return true })
		got := fmt.Sprintln(w.value(provider, "provider", "demographics_last_name", "\x009"), w.value(provider, "provider_role", "organization_is_active", ""),
			w.value(providerActive, "provider_active", "is_active", "\x009"))
		if got != "Granite t f\n" {
			t.Errorf("it is %s", got)
		}
	})
	db := inPostgres(t, loaded(t, events, func(int) bool { return true }), providerModel)
	expect(t, db.rows("SELECT id || ' ' || demographics_last_name || ' ' || coalesce(active::text, '-') FROM s.provider_current ORDER BY id"),
		"8 Other -", "9 Granite false")
}

func TestOrganizationsOfADirectory(t *testing.T) {
	organizations := `,"Directory":"Carequality","Organizations":[{"Name":"n","Identifiers":[{"ID":"1","IDType":"OID"}],"Active":false},{"Name":"only"}]`
	b := batchOf(t, nil, said(1, "Organization", "New", organizations))
	expect(t, shown(b, "organization", "directory", "id_type", "id", "source_id", "active"), "Carequality | Name | only | s | -", "Carequality | OID | 1 | s | f")
	w := loaded(t, []*extract.Delivery{said(2, "Organization", "Update", organizations+`,"Action":"Remove"`), said(1, "Organization", "New", organizations)},
		func(int) bool { return true })
	if n := len(w.rows[organization.tables[0].live]); n != 0 {
		t.Errorf("%d organisations stand that were removed", n)
	}
}

func TestStockAndWhatIsTakenOutOfIt(t *testing.T) {
	item := `"Identifiers":[{"ID":"22","IDType":"SUPPLY"}],"Quantity":4,"Location":{"ID":"Central","Bin":"42"}`
	b := batchOf(t, []string{"MR"},
		said(1, "Inventory", "Update", `,"Items":[{`+item+`,"Price":118.90},{`+strings.Replace(item, "42", "43", 1)+`}]`),
		said(2, "Inventory", "Deplete", timothy+`,"Items":[{`+item+`,"UsedQuantity":1},{`+item+`,"WastedQuantity":2}]`))
	expect(t, shown(b, "inventory_item", "location_id", "location_bin", "id", "quantity", "price"), "Central | 42 | 22 | 4 | 118.90", "Central | 43 | 22 | 4 | -")
	expect(t, shown(b, "inventory_depletion", "ordinal", "id", "used_quantity", "wasted_quantity", "patient_id", "location_bin"),
		"1 | 22 | 1 | - | 7 | 42", "2 | 22 | - | 2 | 7 | 42")
}

func TestSectionsOfAClinicalSummaryAreRows(t *testing.T) {
	document := func(seq int64, id, visit, rest string) *extract.Delivery {
		return said(seq, "Clinical Summary", "PatientPush", `,"Header":{"Document":{`+id+`"Title":"t","Visit":{"VisitNumber":"`+visit+`"}},
			"Patient":{"Identifiers":[{"ID":"7","IDType":"MR"}],"Demographics":{"LastName":"B"}}}`+rest)
	}
	events := []*extract.Delivery{
		document(1, `"ID":"d1",`, "v", `,"Problems":[{"Name":"a"},{"Name":"b"}],"ProblemsText":"<p>","PlanOfCare":{"Orders":[{"Name":"o"}],"Note":"n"},
			"Assessment":{"Diagnoses":[]},"Unheard":{"Of":1}`),
		document(2, `"ID":"d2",`, "v", ""), document(3, "", "w", ""),
	}
	b := batchOf(t, []string{"MR"}, events...)
	expect(t, shown(b, "clinical_section", "document_id", "section", "ordinal", "body", "narrative"),
		`d1 | PlanOfCare | 1 | {"Note": "n"} | -`, `d1 | PlanOfCare.Orders | 1 | {"Name": "o"} | -`,
		`d1 | Problems | 1 | {"Name": "a"} | -`, `d1 | Problems | 2 | {"Name": "b"} | -`, "d1 | ProblemsText | 1 | - | <p>", `d1 | Unheard | 1 | {"Of": 1} | -`)
	expect(t, shown(b, "clinical_document", "document_id", "patient_id", "visit_number", "document_title", "patient"),
		`d1 | 7 | v | t | {"Demographics": {"LastName": "B"}}`, `d2 | 7 | v | t | {"Demographics": {"LastName": "B"}}`,
		events[2].Key+` | 7 | w | t | {"Demographics": {"LastName": "B"}}`)
	db := inPostgres(t, loaded(t, events, func(int) bool { return true }), clinicalSummary)
	expect(t, db.rows("SELECT document_id || ' ' || visit_number FROM s.clinical_document_current ORDER BY 1"), "d2 v", events[2].Key+" w")
}

func TestEducationIsKnownByItsInstance(t *testing.T) {
	b := batchOf(t, []string{"MR"}, said(1, "PatientEducation", "New", timothy+`,"Visit":{"VisitNumber":"v"},"Education":[
		{"InstanceID":1,"Subject":{"Code":"c"},"Assignments":[{"InstanceID":"2"}]},{"Subject":{"Code":"c"}}]`))
	expect(t, shown(b, "education", "id_type", "id", "visit_number", "assignments"), `InstanceID | 1 | v | [{"InstanceID": "2"}]`, "Subject.Code | c | v | -")
}

func TestStudiesAndWhoTakesPart(t *testing.T) {
	const study = `,"Study":{"Identifiers":[{"ID":"1","IDType":"A"},{"ID":"NCT1","IDType":"NCT"}],"Title":"t"`
	b := batchOf(t, []string{"MR"},
		said(1, "Research", "Study", study+`,"Eligibility":{"MinimumAge":21}},"Protocols":[{"ID":"P1"}]`),
		said(2, "Research", "SubjectUpdate", study+`},"Enrollment":{"SubjectStatus":"on"}`+timothy),
		said(3, "Research", "SubjectUpdate", timothy))
	expect(t, shown(b, "study", "id", "title", "eligibility_minimum_age", "protocols"), `NCT1 | t | 21 | [{"ID": "P1"}]`)
	expect(t, shown(b, "study_subject", "study_id", "patient_id", "subject_status", "study_title"), "NCT1 | 7 | on | t")
	if len(b.Rejects) != 1 {
		t.Errorf("%d rejects", len(b.Rejects))
	}
}

func TestAnyOrderOfTheOtherModelsGivesOneResult(t *testing.T) {
	var events []*extract.Delivery
	seq := int64(0)
	say := func(model, event, members string) {
		seq++
		events = append(events, said(seq, model, event, members))
	}
	for i := range 3 {
		n := fmt.Sprint(i % 2)
		say("PatientEducation", []string{"New", "Update", "Delete"}[i], timothy+`,"Education":[{"InstanceID":"1","Status":"`+n+`"}]`)
		say("Vaccination", "Administration", timothy+`,"Vaccinations":[{"Action":"`+[]string{"Add", "Delete", "Add"}[i]+`","Order":{"ID":"o"}}]`)
		say("Flowsheet", "New", timothy+`,"Observations":[{"Code":"c","Value":"`+n+`"},{"Code":"c","Value":"x"}]`)
		say("Financial", "Transaction", timothy+`,"Transactions":[{"ID":"`+n+`","Diagnoses":[{"Code":"`+fmt.Sprint(i)+`"}]}]`)
		say("Referral", []string{"New", "Modify", "Cancel"}[i], timothy+`,"Referral":{"ID":"r","Reason":"`+n+`","Providers":[{"ID":"`+n+`"}]}`)
		say("Provider", []string{"New", "Deactivate", "Activate"}[i], `,"Providers":[{"Identifiers":[{"ID":"9"}]`+[]string{`,"IsActive":true`, "", `,"Roles":[{}]`}[i]+`}]`)
		say("Claim", "Payment", `,"Transaction":{"ID":"t"},"Payments":[{"Claim":{"Number":"`+n+`","Services":[{}]}}]`)
		say("ClinicalSummary", "PatientPush", `,"Header":{"Document":{"ID":"d"}},"Problems":[{"Name":"`+n+`"}]`)
		say("Inventory", "Update", `,"Items":[{"Identifiers":[{"ID":"i"}],"Quantity":`+fmt.Sprint(i)+`}]`)
	}
	want := loaded(t, events, func(int) bool { return true }).digest()
	random := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		order := slices.Clone(events)
		random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		if got := loaded(t, order, func(int) bool { return random.IntN(4) == 0 }).digest(); got != want {
			t.Fatalf("another order gives another result:\n%s\nwant\n%s", got, want)
		}
	}
}

func TestTextThatNoColumnCanHoldStaysOutOfAllCells(t *testing.T) {
	for _, body := range []*extract.Delivery{
		said(1, "Device", "New", `,"Device":{"ID":"d"},"Visit":{"VisitNumber":"\u0000"},"Patient":{"Identifiers":[{"ID":"1","IDType":"\ud800"}]},"Observations":[{"Code":"c"}]`),
		said(1, "Claim", "Submission", `,"Transaction":{"ID":"t"},"BillingProvider":{"ID":"\u0000"},"Claims":[{"ID":"c","Type":"\u0000"}]`),
		said(1, "Financial", "Transaction", `,"Visit":{"VisitNumber":"\u0000"},"Transactions":[{"ID":"c"},{"ID":"\u0000"}]`),
		delivery(1, `{"resourceType":"Observation","id":"\u0000","subject":{"identifier":{"value":"\u0000"},"type":"\udfff"}}`),
		delivery(1, `{"resourceType":"\u0000"}`),
		delivery(1, `{"resourceType":"Bundle","entry":[{"fullUrl":"\u0000","resource":{"resourceType":"P\u0000","id":"\u0000"}}]}`),
		delivery(1, `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"MessageHeader","eventUri":"x/\u0000"}},{"resource":{"resourceType":"Patient"}}]}`),
	} {
		b := batchOf(t, nil, body)
		for _, rows := range b.Rows {
			for i := range rows.Len() {
				for j, c := range rows.Table.Columns {
					if cell, _ := rows.Cell(i, j); strings.Contains(string(cell), "\x00") {
						t.Errorf("%s: %s.%s holds what Postgres cannot", body.Body, rows.Table.Name, c.Name)
					}
				}
			}
			for _, n := range rows.Notes() {
				if strings.Contains(n.Column+n.Value, "\x00") {
					t.Errorf("%s: a note of %s holds what Postgres cannot", body.Body, rows.Table.Name)
				}
			}
		}
	}
}

func TestNoNameNeedsQuotes(t *testing.T) {
	names := map[string]bool{}
	for _, m := range models() {
		for _, e := range m.entities {
			for _, table := range e.tables {
				names[table.live.Name] = true
				for _, c := range table.live.Columns {
					names[c.Name] = true
				}
			}
			for _, v := range e.views {
				names[v.Name] = true
			}
		}
	}
	words := inPostgres(t, newWarehouse()).rows("SELECT word FROM pg_get_keywords() WHERE catcode IN ('R', 'T')")
	if len(words) < 50 {
		t.Fatalf("%d reserved words", len(words))
	}
	for _, word := range words {
		if names[word] {
			t.Errorf("%s would have to be quoted in SQL", word)
		}
	}
	plain := regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	for name := range names {
		if !plain.MatchString(name) {
			t.Errorf("%s would have to be quoted in SQL", name)
		}
	}
}

func TestManyOfAnythingAreKept(t *testing.T) {
	many := func(format string, n int) string {
		var s strings.Builder
		for i := range n {
			if i > 0 {
				s.WriteByte(',')
			}
			fmt.Fprintf(&s, format, i)
		}
		return s.String()
	}
	const n = 100_000 // what takes the square of it does not end
	for _, d := range []*extract.Delivery{
		said(1, "ClinicalSummary", "PatientPush", `,"Header":{"Document":{"ID":"d"}},`+many(`"S%d":{"a":1}`, n)),
		said(1, "ClinicalSummary", "PatientPush", `,"Header":{"Document":{"ID":"d"}},"S":{`+many(`"a%d":[1]`, 5_000)+`}`),
		said(1, "Claim", "Submission", timothy+`,"Transaction":{"ID":"t"},"Claims":[`+many(`{"ID":"%d"}`, 5_000)+`]`),
		delivery(1, `{"resourceType":"Patient","identifier":[`+many(`{"value":"%d"}`, n)+`]}`),
		delivery(1, `{"resourceType":"Patient","identifier":[{"value":"a"}],"link":[`+
			strings.Repeat(`{"type":"replaces","other":{"identifier":{"value":"b"}}},`, n)+`{}]}`),
	} {
		b := batchOf(t, nil, d)
		if b.Scope == nil {
			t.Error("nothing is told of")
		}
	}
	b := batchOf(t, nil, said(1, "ClinicalSummary", "PatientPush", `,"Header":{"Document":{"ID":"d"}},`+many(`"S%d":{"a":1}`, n)))
	if got := len(shown(b, "clinical_section", "section")); got != sectionsEach+1 {
		t.Errorf("%d sections have rows", got)
	}
}
