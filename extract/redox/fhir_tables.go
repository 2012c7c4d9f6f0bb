package redox

// fhirEntities are the tables of FHIR, and that of merged patients, which the data models share. Those of projections have no field of their own that is not in fhir_resource.body.
func fhirEntities() []*entity {
	all := []*entity{fhirMessage, fhirResource, patientAlias}
	for _, kind := range []string{"Patient", "Encounter", "Appointment", "Observation", "ServiceRequest", "DocumentReference"} {
		all = append(all, projections[kind].entity)
	}
	return all
}

var fhirMessage = newEntity(tableSpec{
	name:    "fhir_message",
	comment: "One FHIR message, or whatever else came as FHIR: what its Bundle and its MessageHeader say.",
	key:     "source_id message_key", facts: true,
	at: "Bundle",
	also: `event_type bundle_id bundle_type bundle_timestamp:time bundle_identifier_system bundle_identifier_value header_id event_uri event_system
		event_code event_display definition source_name source_endpoint source_software source_version focus_reference focus_resource_type
		focus_identifier_system focus_identifier_value response_identifier response_code header:json entries:integer resources:integer`,
	fields:  "resourceType! id! type! timestamp! identifier{system! value!} entry! meta:json",
	indexes: "focus_identifier_value focus_identifier_system, event_type",
}, tableSpec{
	name: "fhir_entry", facts: true,
	comment: "An entry of a FHIR message, and by which key its resource is known; what it asks a server to do was kept and not done.",
	at:      "Bundle.entry[]",
	also: `resource_type resource_id identifier_system identifier_value focus:bool request_method request_url request:json response:json
		search:json resource:json`,
	fields:  "fullUrl resource! request! response! search!",
	indexes: "identifier_value identifier_system",
})

var fhirResource = newEntity(tableSpec{
	name:    "fhir_resource",
	comment: "FHIR resources as last sent, by a business identifier; what has none stands for itself, with an empty system.",
	key:     "source_id resource_type identifier_system identifier_value",
	also:    "message_key resource_id ended full_url version_id last_updated:time body:json",
	indexes: "message_key",
}, tableSpec{
	name:    "fhir_identifier",
	comment: "All identifiers of a FHIR resource, of which one stands for it.",
	natural: "system value",
	at:      "identifier[]",
	also:    "type_code",
	fields:  "system! value! use type:json period{start:time end:time} assigner:json extension:json",
	indexes: "value system",
}).with(lastValues)

// projections are the types of resources that have columns, by type.
var projections = map[string]*projection{
	"Patient": newProjection(tableSpec{
		at:      "Patient",
		name:    "fhir_patient",
		comment: "FHIR Patient resources in columns.",
	}, `active:bool=active name_family=name[use=official|usual|*].family name_given+=name[use=official|usual|*].given
		name_prefix+=name[use=official|usual|*].prefix name_suffix+=name[use=official|usual|*].suffix name_text=name[use=official|usual|*].text
		gender=gender birth_date:date=birthDate deceased:bool=deceasedBoolean deceased_at:time=deceasedDateTime #marital_status=maritalStatus
		phone=telecom[system=phone].value phone_home=telecom[system=phone&use=home].value phone_mobile=telecom[system=phone&use=mobile].value
		phone_work=telecom[system=phone&use=work].value email=telecom[system=email].value address_line+=address[use=home|*].line
		address_city=address[use=home|*].city address_district=address[use=home|*].district address_state=address[use=home|*].state
		address_postal_code=address[use=home|*].postalCode address_country=address[use=home|*].country
		#language=communication[preferred=true|*].language
		race=extension[url=http://hl7.org/fhir/us/core/StructureDefinition/us-core-race].extension[url=text].valueString
		ethnicity=extension[url=http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity].extension[url=text].valueString
		@general_practitioner=generalPractitioner @managing_organization=managingOrganization`),

	"Encounter": newProjection(tableSpec{
		at:      "Encounter",
		name:    "fhir_encounter",
		comment: "FHIR Encounter resources in columns.",
		indexes: "subject_value subject_system",
	}, `status=status #class=class #type=type #service_type=serviceType #priority=priority @subject=subject %period=period
		#reason=reasonCode @location=location.location location_status=location.status @service_provider=serviceProvider
		@participant=participant.individual #admit_source=hospitalization.admitSource
		#discharge_disposition=hospitalization.dischargeDisposition @appointment=appointment @based_on=basedOn @part_of=partOf
		participants:json=participant locations:json=location`),

	"Appointment": newProjection(tableSpec{
		at:      "Appointment",
		name:    "fhir_appointment",
		comment: "FHIR Appointment resources in columns.",
		indexes: "patient_value patient_system",
	}, `status=status start_at:time=start end_at:time=end minutes_duration:integer=minutesDuration created:time=created
		#cancellation_reason=cancelationReason #service_category=serviceCategory #service_type=serviceType #specialty=specialty
		#appointment_type=appointmentType #reason=reasonCode priority:integer=priority description=description comment=comment
		patient_instruction=patientInstruction @patient=participant.actor/Patient @practitioner=participant.actor/Practitioner
		@location=participant.actor/Location @based_on=basedOn !old_date_time:time=olddatetime !old_visit_number=oldvisitnumber participants:json=participant`),

	"Observation": newProjection(tableSpec{
		at:      "Observation",
		name:    "fhir_observation",
		comment: "FHIR Observation resources in columns.",
		indexes: "subject_value subject_system, code code_system",
	}, `status=status #category=category #code=code @subject=subject @encounter=encounter
		effective:time=effectiveDateTime|effectiveInstant|effectivePeriod.start effective_end:time=effectivePeriod.end issued:time=issued
		value_number:number=valueQuantity.value|valueInteger value_comparator=valueQuantity.comparator value_unit=valueQuantity.unit
		value_unit_code=valueQuantity.code value_string=valueString #value=valueCodeableConcept value_boolean:bool=valueBoolean
		value_date_time:time=valueDateTime value_other:json=valueRange|valueRatio|valuePeriod|valueTime|valueSampledData
		#data_absent_reason=dataAbsentReason #interpretation=interpretation reference_range_low:number=referenceRange.low.value
		reference_range_high:number=referenceRange.high.value reference_range_text=referenceRange.text note=note.text
		#body_site=bodySite #method=method @performer=performer @specimen=specimen @device=device @based_on=basedOn
		components:json=component`),

	"ServiceRequest": newProjection(tableSpec{
		at:      "ServiceRequest",
		name:    "fhir_service_request",
		comment: "FHIR ServiceRequest resources in columns: orders and referrals.",
		indexes: "subject_value subject_system",
	}, `status=status intent=intent priority=priority do_not_perform:bool=doNotPerform #category=category #code=code @subject=subject
		@encounter=encounter authored_on:time=authoredOn occurrence:time=occurrenceDateTime|occurrencePeriod.start
		occurrence_end:time=occurrencePeriod.end quantity:number=quantityQuantity.value quantity_unit=quantityQuantity.unit
		@requester=requester @performer=performer #performer_type=performerType #reason=reasonCode @reason_reference=reasonReference
		#body_site=bodySite @specimen=specimen requisition_system=requisition.system requisition_value=requisition.value
		@based_on=basedOn @replaces=replaces note=note.text patient_instruction=patientInstruction`),

	"DocumentReference": newProjection(tableSpec{
		at:      "DocumentReference",
		name:    "fhir_document_reference",
		comment: "FHIR DocumentReference resources in columns. Redox leaves the status of a deleted document as it was: see ended.",
		indexes: "subject_value subject_system",
	}, `status=status doc_status=docStatus master_system=masterIdentifier.system master_value=masterIdentifier.value #type=type
		#category=category @subject=subject written_at:time=date @author=author @authenticator=authenticator @custodian=custodian
		description=description #security_label=securityLabel @encounter=context.encounter %context_period=context.period
		#facility_type=context.facilityType #practice_setting=context.practiceSetting relates_to_code=relatesTo.code
		@relates_to=relatesTo.target`, tableSpec{
		name:    "fhir_attachment",
		comment: "A content of a FHIR document. An address is data: nothing is ever fetched.",
		at:      "content[]",
		fields: `attachment{contentType language url size:number hash title creation:time data:base64 extension:json} format{system version code
			display userSelected:bool} extension:json`,
	}),
}
