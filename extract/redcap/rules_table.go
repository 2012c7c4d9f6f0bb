package redcap

// numberPattern takes a comma too: a value that could not be stored is told by what the source sent.
const numberPattern = `^[-+]?([0-9]+[.,]?[0-9]*|[.,][0-9]+)([eE][-+]?[0-9]+)?$`

// valueRules are REDCap's validation rules in its own words, those that a value may break although it is stored.
var valueRules = []rule{
	{
		id: "not_an_integer", severity: nonconforming, message: "The value is not an integer",
		applies: []string{"text:integer", "column:smallint", "column:integer", "column:bigint"}, pattern: `^[-+]?[0-9]+$`,
	},
	{
		id: "not_a_number", severity: nonconforming, message: "The value is not a number",
		applies: []string{
			"text:number", "text:number_1dp", "text:number_2dp", "text:number_3dp", "text:number_4dp", "text:number_comma_decimal",
			"text:number_1dp_comma_decimal", "text:number_2dp_comma_decimal", "text:number_3dp_comma_decimal", "text:number_4dp_comma_decimal",
			"column:numeric",
		},
		pattern: numberPattern,
	},
	{
		id: "not_a_date", severity: nonconforming, message: "The value must be a date that exists (Y-M-D)",
		applies: []string{"text:date_ymd", "text:date_mdy", "text:date_dmy", "column:date"}, pattern: `^[0-9]{4}-[0-9]{2}-[0-9]{2}$`,
	},
	{
		id: "not_a_datetime", severity: nonconforming, message: "The value must be a date and a time of day that exist (Y-M-D HH:MM or Y-M-D HH:MM:SS)",
		applies: []string{
			"text:datetime_ymd", "text:datetime_mdy", "text:datetime_dmy", "text:datetime_seconds_ymd", "text:datetime_seconds_mdy",
			"text:datetime_seconds_dmy", "column:timestamp without time zone", "column:timestamp with time zone",
		},
		pattern: `^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T]([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,6})?)?$`,
	},
	{
		id: "not_a_time", severity: nonconforming, message: "The value must be a time of day in the format HH:MM within the range 00:00-23:59",
		applies: []string{"text:time"}, pattern: `^([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,6})?)?$`,
	},
	{
		id: "not_a_time_with_seconds", severity: nonconforming, message: "The value must be a time of day in the format HH:MM:SS within the range 00:00:00-23:59:59",
		applies: []string{"text:time_hh_mm_ss", "column:time without time zone"}, pattern: `^([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,6})?)?$`,
	},
	{
		id: "not_minutes_and_seconds", severity: nonconforming, message: "The value must be a time in the format MM:SS within the range 00:00-59:59",
		applies: []string{"text:time_mm_ss", "column:interval"}, pattern: `^([0-9]{2}:)?[0-5][0-9]:[0-5][0-9]$`,
	},
	{
		id: "not_a_slider_value", severity: nonconforming, message: "The value is not a number on the slider",
		applies: []string{"slider"}, pattern: numberPattern,
	},
	{
		id: "not_yes_or_no", severity: nonconforming, message: "The value is neither 1 (Yes) nor 0 (No)",
		applies: []string{"yesno"},
	},
	{
		id: "not_true_or_false", severity: nonconforming, message: "The value is neither 1 (True) nor 0 (False)",
		applies: []string{"truefalse"},
	},
	{
		id: "not_checked_or_unchecked", severity: nonconforming, message: "The value is neither 1 (checked) nor 0 (unchecked)",
		applies: []string{"checkbox", "column:boolean"},
	},
	{
		id: ruleChoice, severity: nonconforming, message: "The value is not a code of the field's choices in the data dictionary",
		applies: []string{"radio", "dropdown"},
	},
	{
		id: ruleStatus, severity: nonconforming, message: "The value is not a form status: 0 (Incomplete), 1 (Unverified) or 2 (Complete)",
		applies: []string{"form_status"}, stored: true, pattern: `^[012]$`, match: isStatus,
	},
	{
		id: "not_valid_text", severity: nonconforming, message: "The value is not valid text: its bytes are kept in hexadecimal digits",
		applies: []string{"column:text"},
	},
	{
		id: "not_of_its_type", severity: nonconforming, message: "The value does not fit the type of its column",
		applies: []string{"column:uuid", "column:jsonb", "column:bytea"},
	},
	{
		id: "too_large_for_its_column", severity: nonconforming, message: "The value is a number that is larger than its column can hold",
		applies: []string{},
	},
	{
		id: ruleBelow, severity: softRange,
		message: "The value is outside the suggested range: below its minimum. This value is admissible, but you may wish to double check it",
		applies: []string{},
	},
	{
		id: ruleAbove, severity: softRange,
		message: "The value is outside the suggested range: above its maximum. This value is admissible, but you may wish to double check it",
		applies: []string{},
	},
	{
		id: "not_hh_mm", severity: requiredFormat, message: "The time of day must be HH:MM within the range 00:00-23:59, without seconds",
		applies: []string{"text:time"}, stored: true, pattern: `^([01]?[0-9]|2[0-3]):[0-5][0-9](:00)?$`, match: isHourMinute,
	},
	{
		id: "not_ymd_hh_mm", severity: requiredFormat, message: "The date and time must be Y-M-D HH:MM, without seconds",
		applies: []string{"text:datetime_ymd", "text:datetime_mdy", "text:datetime_dmy"}, stored: true,
		pattern: `^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T]([01]?[0-9]|2[0-3]):[0-5][0-9](:00)?$`, match: isDateHourMinute,
	},
	{
		id: "not_mm_ss", severity: requiredFormat, message: "The time must be MM:SS within the range 00:00-59:59, without hours",
		applies: []string{"text:time_mm_ss"}, stored: true, pattern: `^(00:)?[0-5][0-9]:[0-5][0-9]$`, match: isMinuteSecond,
	},
	decimals("not_1_decimal", "1 decimal place", "1", 1), decimals("not_2_decimals", "2 decimal places", "2", 2),
	decimals("not_3_decimals", "3 decimal places", "3", 3), decimals("not_4_decimals", "4 decimal places", "4", 4),
	{
		id: "not_an_email", severity: requiredFormat, message: "The value must be a valid e-mail address (like joe@user.com)", applies: []string{"text:email"},
		pattern: "^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+([.][A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?[.])+[A-Za-z][A-Za-z0-9-]*[A-Za-z0-9]$",
		match:   isEmail,
	},
	{
		id: "not_a_zipcode", severity: requiredFormat, message: "The value must be a 5 or 9 digit U.S. ZIP Code (like 94043)", applies: []string{"text:zipcode"},
		pattern: `^[0-9]{5}(-?[0-9]{4})?$`, match: isZIP,
	},
	{
		id: "not_a_phone", severity: requiredFormat, message: "The value must be a 10 digit U.S. phone number (like 415 555 1212)", applies: []string{"text:phone"},
		pattern: `^([+]?1[ .-]*)?([(][0-9]{3}[)]|[0-9]{3})[ .-]*[0-9]{3}[ .-]*[0-9]{4}([ ,]*(x|X|#|ext|Ext|EXT|extension)[ .:]*[0-9]+)?$`, match: isPhone,
	},
	{
		id: "not_a_phone_australia", severity: requiredFormat, message: "The value must be a 10 digit Australian phone number (like 02 5551 1234)",
		applies: []string{"text:phone_australia"}, pattern: `^([(]0[2-8][)]|0[2-8]) *[0-9]{4} *[0-9]{4}$`, match: isPhoneAustralia,
	},
	{
		id: "not_a_phone_uk", severity: requiredFormat, message: "The value must be a UK phone number of 10 or 11 digits (like 020 7946 0018)",
		applies: []string{"text:phone_uk"}, pattern: `^([+]44( *[(]0[)])?|[(]?0)([ ()-]*[0-9]){9,10}$`, match: isPhoneUK,
	},
	{
		id: "not_a_postalcode_australia", severity: requiredFormat, message: "The value must be a 4 digit Australian postal code (like 2600)",
		applies: []string{"text:postalcode_australia"}, pattern: `^[0-9]{4}$`, match: isPostalAustralia,
	},
	{
		id: "not_a_postalcode_canada", severity: requiredFormat, message: "The value must be a Canadian postal code (like K1A 0B1)",
		applies: []string{"text:postalcode_canada"}, pattern: `^[ABCEGHJ-NPRSTVXYabceghj-nprstvxy][0-9][A-Za-z] *[0-9][A-Za-z][0-9]$`, match: isPostalCanada,
	},
	{
		id: "not_a_postalcode_french", severity: requiredFormat, message: "The value must be a 5 digit French postal code (like 75008)",
		applies: []string{"text:postalcode_french"}, pattern: `^(0[1-9]|[1-8][0-9]|9[0-8])[0-9]{3}$`, match: isPostalFrench,
	},
	{
		id: "not_a_postalcode_germany", severity: requiredFormat, message: "The value must be a 5 digit German postal code (like 10115)",
		applies: []string{"text:postalcode_germany"}, pattern: `^(0[1-9]|[1-9][0-9])[0-9]{3}$`, match: isPostalGermany,
	},
	{
		id: "not_a_postalcode_uk", severity: requiredFormat, message: "The value must be a UK postal code (like SW1A 1AA)",
		applies: []string{"text:postalcode_uk"}, pattern: `^[A-Za-z]{1,2}[0-9][A-Za-z0-9]? *[0-9][A-Za-z]{2}$`, match: isPostalUK,
	},
	{
		id: "not_an_ssn", severity: requiredFormat, message: "The value must be a U.S. Social Security Number (like 123-45-6789)", applies: []string{"text:ssn"},
		pattern: `^[0-9]{3}-[0-9]{2}-[0-9]{4}$`, match: isSSN,
	},
	{
		id: "not_a_10_digit_mrn", severity: requiredFormat, message: "The value must be a medical record number of 10 digits", applies: []string{"text:mrn_10d"},
		pattern: `^[0-9]{10}$`, match: isMRN10,
	},
	{
		id: "not_a_generic_mrn", severity: requiredFormat, message: "The value must be a medical record number of digits, letters, hyphens and underscores",
		applies: []string{"text:mrn_generic"}, pattern: `^[A-Za-z0-9_-]+$`, match: isMRN,
	},
	{
		id: "not_a_vanderbilt_mrn", severity: requiredFormat,
		message: "The value is not a valid Vanderbilt Medical Record Number (4 to 9 digits, excluding leading zeros)",
		applies: []string{"text:vmrn"}, pattern: `^0*[1-9][0-9]{3,8}$`, match: isVanderbiltMRN,
	},
	{
		id: "not_letters_only", severity: requiredFormat, message: "The value must be letters only", applies: []string{"text:alpha_only"},
		pattern: `^[A-Za-z]+$`, match: isLetters,
	},
}

// decimals is the rule of numbers with so many decimals.
func decimals(id, words, digit string, n int) rule {
	return rule{
		id: id, severity: requiredFormat, message: "The number must have exactly " + words,
		applies: []string{"text:number_" + digit + "dp", "text:number_" + digit + "dp_comma_decimal"}, stored: true,
		pattern: `^[-+]?[0-9]+[.,][0-9]{` + digit + `}$`, match: func(b []byte) bool { return hasDecimals(b, n) },
	}
}
