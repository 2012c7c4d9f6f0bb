package extract

import "testing"

func TestColumnNames(t *testing.T) {
	for path, want := range map[string]string{
		"VisitNumber": "visit_number", "VisitDateTime": "visit_date_time", "DOB": "dob", "NPI": "npi", "SSN": "ssn", "ZIP": "zip", "ID": "id",
		"IDType": "id_type", "EHRID": "ehr_id", "PCP.NPI": "pcp_npi", "AttendingProvider.IDType": "attending_provider_id_type",
		"Demographics.Address.ZIP": "demographics_address_zip", "RelatedGroupID": "related_group_id", "ApplicationOrderID": "application_order_id",
		"OrderIDs": "order_ids", "DocumentIDs": "document_ids", "IsPRN": "is_prn", "MIMEType": "mime_type", "SessionBaseURL": "session_base_url",
		"NDC": "ndc", "TIN": "tin", "Balance": "balance", "DateTimeOfService": "date_time_of_service", "DiagnosisRelatedGroup": "diagnosis_related_group",
		"PatientAdmin": "patient_admin", "organizationId": "organization_id", "addressStreet1": "address_street1", "currentTermGpa": "current_term_gpa",
		"positionRecordedStartDate": "position_recorded_start_date", "userShownOnCampusRoster": "user_shown_on_campus_roster", "flyerUrl": "flyer_url",
		"Sign-on": "sign_on", "Clinical Summary": "clinical_summary",
	} {
		if got := ColumnName(path); got != want {
			t.Errorf("ColumnName(%q) = %q, want %q", path, got, want)
		}
	}
}
