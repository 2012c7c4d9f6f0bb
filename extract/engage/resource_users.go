package engage

import "slices"

// userList is the list of people (reference 4.3). What is sensitive of them is dropped unless a job names it.
func userList() *resource {
	return &resource{
		name: users, path: users, comment: "Accounts of people. Sensitive columns are there where the job names them only.",
		fields: slices.Concat(
			words(whole, "userId"), words(text, "username", "archivedUsername", "status"), words(instant, "lastLogin"),
			words(text, "profilePictureUrl", "firstName", "lastName", "campusEmail", "preferredEmail", "cardId", "mobilePhone", "preferredLastName",
				"institutionProvidedFirstName", "institutionProvidedMiddleName", "institutionProvidedLastName"),
			secret(words(text, "legalFirstName", "legalLastName")),
			placed("local"), placed("home"), placed("abroad"),
			wrapped(words(text, "preferredFirstName", "middleName", "suffix", "hometown", "affiliation", "sisId")),
			secret(wrapped(words(born, "dateOfBirth"))), secret(wrapped(words(text, "sex", "race", "ethnicity"))),
			wrapped(words(text, "enrollmentStatus", "currentTermEnrolled")), secret(wrapped(words(number, "currentTermGpa"))),
			wrapped(words(text, "previousTermEnrolled")), secret(wrapped(words(number, "previousTermGpa"))),
			wrapped(words(number, "creditHoursEarned")), wrapped(words(day, "anticipatedDateOfGraduation")),
			wrapped(words(text, "careerLevel", "classStanding", "primarySchoolOfEnrollment", "degreeSought", "major", "minor", "majorAdvisor",
				"otherAdvisor", "localResidencyStatus", "housingFacility")),
			wrapped(words(truth, "international", "transfer")), wrapped(words(text, "athlete", "athleticParticipation")),
		),
		nests: []nest{{name: "customFields", table: "user_custom_fields"}},
		byID:  "userId", divides: byTime, changed: [2]string{"CreatedOnStart", "CreatedOnEnd"}, filter: created,
		indexes: []string{"username", "card_id", "sis_id", "campus_email"},
	}
}

// placed are the phone and the address that a person has somewhere.
func placed(where string) []field {
	var names []string
	for _, name := range []string{
		"PhoneCountryCode", "Phone", "PhoneExtension", "Street1", "Street2", "Street3", "City", "StateProvince", "PostalCode", "Country",
	} {
		names = append(names, where+name)
	}
	return secret(words(text, names...))
}

func wrapped(fields []field) []field {
	for i := range fields {
		fields[i].wrapped = true
	}
	return fields
}

func secret(fields []field) []field {
	for i := range fields {
		fields[i].sensitive = true
	}
	return fields
}
