package redox

// model is a data model of Redox: the things that its messages tell of, and how they are read.
type model struct {
	name     string // without blanks
	entities []*entity
	decode   func(*message)
}

// models are those that have tables.
func models() []*model {
	return []*model{
		patientAdmin, scheduling, surgicalScheduling, orders, results, notes, media, medications,
		vaccinationModel, flowsheet, device, financial, claimModel, referralModel, providerModel, organizationModel, inventory,
		clinicalSummary, patientEducation, research, fhir,
	}
}

// findModel finds a model by its name without blanks; nil where it has no tables.
func findModel(name string) *model {
	for _, m := range models() {
		if m.name == name {
			return m
		}
	}
	return nil
}
