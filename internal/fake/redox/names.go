package redox

// What people, places and things of the fake hospital are called. All of it is made up.
var (
	firsts    = []string{"Ada", "Beatriz", "Carlos", "Dunja", "Emeka", "Freya", "Gustav", "Hana", "Ilse", "Jorge", "Kaia", "Lech", "Mirela", "Niamh", "Otto", "Pia", "Quentin", "Rosa", "Søren", "Tariq"}
	middles   = []string{"", "", "Ann", "B.", "Lee", "Marie", "Ray", "Zoë"}
	lasts     = []string{"Abend", "Brandvold", "Castellan", "Dufresne", "Eklund", "Fairweather", "Grünwald", "Halvorsen", "Ibarra", "Jurić", "Kowalczyk", "Lindqvist", "Marchetti", "Nakagawa", "O'Dell", "Petrov", "Quist", "Rasmussen", "Sandoval", "Thao"}
	races     = []string{"White", "Asian", "Black or African American", "Other Race"}
	maritals  = []string{"Single", "Married", "Divorced", "Widowed"}
	relations = []string{"Spouse", "Mother", "Father", "Sister", "Other"}
	streets   = []string{"Juniper Court", "Old Mill Road", "Prairie Avenue", "Quarry Lane", "Sumac Street"}
	towns     = []address{
		{"", "Baraboo", "WI", "53913", "Sauk"},
		{"", "La Crosse", "WI", "54601", "La Crosse"},
		{"", "Portage", "WI", "53901", "Columbia"},
		{"", "Dubuque", "IA", "52001", "Dubuque"},
		{"", "Hanover", "NH", "03755", "Grafton"},
	}
	clinicians = []provider{
		{"1000000012", "Ines", "Calloway", "MD", "+16085550141", address{"77 Harbor Street", "Baraboo", "WI", "53913", "Sauk"}},
		{"1000000020", "Rufus", "Tveit", "DO", "+16085550142", address{"77 Harbor Street", "Baraboo", "WI", "53913", "Sauk"}},
		{"1000000038", "Mei", "Sorensen", "NP", "+16085550143", address{"15 College Way", "La Crosse", "WI", "54601", "La Crosse"}},
	}
	places = []place{
		{"Inpatient", "2W", "204", "A"}, {"Inpatient", "2W", "205", "B"}, {"Inpatient", "4E", "411", "A"}, {"Inpatient", "ICU", "3", "1"}, {"Emergency", "ED", "12", ""},
	}
	reaction  = coded{"271807003", "SNOMED CT", "Eruption of skin"}
	allergens = []coded{{"2670", "RxNorm", "Codeine"}, {"10831", "RxNorm", "Sulfamethoxazole"}, {"256349002", "SNOMED CT", "Peanut"}}
	complaint = []coded{{"R10.9", "ICD-10", "Unspecified abdominal pain"}, {"J18.9", "ICD-10", "Pneumonia, unspecified organism"}, {"S93.401A", "ICD-10", "Sprain of ankle"}}
	panels    = []panel{
		{coded{"24323-8", "LOINC", "Comprehensive metabolic panel"}, []analyte{
			{coded{"2345-7", "LOINC", "Glucose"}, "mg/dL", 70, 99},
			{coded{"2160-0", "LOINC", "Creatinine"}, "mg/dL", 60, 120},
			{coded{"2951-2", "LOINC", "Sodium"}, "mmol/L", 136, 145},
			{coded{"2823-3", "LOINC", "Potassium"}, "mmol/L", 35, 51},
		}},
		{coded{"57021-8", "LOINC", "Complete blood count"}, []analyte{
			{coded{"6690-2", "LOINC", "Leukocytes"}, "10*3/uL", 4, 11},
			{coded{"718-7", "LOINC", "Hemoglobin"}, "g/dL", 12, 17},
			{coded{"777-3", "LOINC", "Platelets"}, "10*3/uL", 150, 400},
		}},
	}
	drugs = []coded{{"197361", "RxNorm", "Amlodipine 5 MG Oral Tablet"}, {"860975", "RxNorm", "Metformin 500 MG Extended Release Oral Tablet"}, {"313782", "RxNorm", "Acetaminophen 325 MG Oral Tablet"}}

	employer = company{"Dells Boat Works", address{"9 Dock Road", "Portage", "WI", "53901", "Columbia"}, "+16085550170"}
	insurer  = company{"Badger Mutual Health", address{"PO Box 4410", "La Crosse", "WI", "54602-4410", "La Crosse"}, "+16085550180"}
	lab      = company{"Lakeside Laboratory", address{"77 Harbor Street", "Baraboo", "WI", "53913", "Sauk"}, ""}
)

type company struct {
	name    string
	address address
	phone   string
}

// panel is what can be ordered together, with what comes back.
type panel struct {
	coded
	analytes []analyte
}

type analyte struct {
	coded
	unit      string
	low, high int
}
