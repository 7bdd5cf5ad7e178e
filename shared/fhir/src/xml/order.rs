/// An element of a type.
pub(super) struct Field {
    pub(super) name: &'static str,
    /// The type of a complex element, `Resource` for any resource; of a primitive empty for one
    /// that JSON writes as text, else `boolean`, `integer` or `decimal`.
    pub(super) kind: &'static str,
    /// Whether JSON has it as an array.
    pub(super) repeats: bool,
}

impl Field {
    /// Whether it has a value and no elements of its own.
    pub(super) fn is_primitive(&self) -> bool {
        matches!(self.kind, "" | "boolean" | "integer" | "decimal")
    }
}

/// The elements of a type in their order; `None` for a type that is not written here.
pub(super) fn fields(kind: &str) -> Option<impl Iterator<Item = Field> + use<>> {
    let (_, own) = TYPES.iter().find(|(name, _)| *name == kind)?;
    let base = if RESOURCES.contains(&kind) { RESOURCE } else { ELEMENT };
    let all = base.split_whitespace().chain(own.split_whitespace());
    Some(all.map(|field| {
        let (name, kind) = field.split_once(':').unwrap_or((field, ""));
        let bare = name.trim_end_matches('*');
        Field { name: bare, kind, repeats: bare != name }
    }))
}

const RESOURCE: &str = "id meta:Meta implicitRules language contained*:Resource \
    extension*:Extension modifierExtension*:Extension";
const ELEMENT: &str = "extension*:Extension modifierExtension*:Extension";

const RESOURCES: [&str; 25] = [
    "AllergyIntolerance",
    "AuditEvent",
    "Binary",
    "Bundle",
    "CapabilityStatement",
    "Condition",
    "Consent",
    "Contract",
    "Device",
    "DocumentReference",
    "Encounter",
    "EpisodeOfCare",
    "Immunization",
    "List",
    "MedicationRequest",
    "MedicationStatement",
    "Observation",
    "OperationOutcome",
    "Organization",
    "Parameters",
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "Provenance",
    "RelatedPerson",
];

/// Types with the elements that we write and read of them, in the order of R4; `*` stands behind
/// those that JSON has as arrays. A part of a resource is named after the resource and the element.
const TYPES: [(&str, &str); 80] = [
    ("Address", "use type text line* city district state postalCode country period:Period"),
    (
        "AllergyIntolerance",
        "identifier*:Identifier clinicalStatus:CodeableConcept \
         verificationStatus:CodeableConcept type category* criticality code:CodeableConcept \
         patient:Reference onsetDateTime onsetPeriod:Period recordedDate lastOccurrence \
         note*:Annotation reaction*:AllergyReaction",
    ),
    (
        "AllergyReaction",
        "substance:CodeableConcept manifestation*:CodeableConcept description onset severity",
    ),
    ("Annotation", "authorReference:Reference authorString time text"),
    ("Attachment", "contentType language data url size:integer hash title creation"),
    (
        "AuditEvent",
        "type:Coding subtype*:Coding action period:Period recorded outcome outcomeDesc \
         purposeOfEvent*:CodeableConcept agent*:AuditEventAgent source:AuditEventSource \
         entity*:AuditEventEntity",
    ),
    (
        "AuditEventAgent",
        "type:CodeableConcept role*:CodeableConcept who:Reference altId name requestor:boolean \
         location:Reference policy* media:Coding network:AuditEventNetwork \
         purposeOfUse*:CodeableConcept",
    ),
    (
        "AuditEventEntity",
        "what:Reference type:Coding role:Coding lifecycle:Coding securityLabel*:Coding name \
         description query",
    ),
    ("AuditEventNetwork", "address type"),
    ("AuditEventSource", "site observer:Reference type*:Coding"),
    ("Binary", "contentType securityContext:Reference data"),
    (
        "Bundle",
        "identifier:Identifier type timestamp total:integer link*:BundleLink entry*:BundleEntry",
    ),
    (
        "BundleEntry",
        "link*:BundleLink fullUrl resource:Resource search:BundleSearch request:BundleRequest \
         response:BundleResponse",
    ),
    ("BundleLink", "relation url"),
    ("BundleRequest", "method url ifNoneMatch ifModifiedSince ifMatch ifNoneExist"),
    ("BundleResponse", "status location etag lastModified outcome:Resource"),
    ("BundleSearch", "mode score:decimal"),
    ("CapabilityImplementation", "description url custodian:Reference"),
    ("CapabilityInteraction", "code documentation"),
    ("CapabilityOperation", "name definition documentation"),
    (
        "CapabilityResource",
        "type profile supportedProfile* documentation interaction*:CapabilityInteraction \
         versioning readHistory:boolean updateCreate:boolean conditionalRead searchInclude* \
         searchRevInclude* searchParam*:CapabilitySearchParam operation*:CapabilityOperation",
    ),
    (
        "CapabilityRest",
        "mode documentation security:CapabilitySecurity resource*:CapabilityResource \
         interaction*:CapabilityInteraction searchParam*:CapabilitySearchParam \
         operation*:CapabilityOperation",
    ),
    ("CapabilitySearchParam", "name definition type documentation"),
    ("CapabilitySecurity", "cors:boolean service*:CodeableConcept description"),
    ("CapabilitySoftware", "name version releaseDate"),
    (
        "CapabilityStatement",
        "url version name title status experimental:boolean date publisher description kind \
         instantiates* software:CapabilitySoftware implementation:CapabilityImplementation \
         fhirVersion format* patchFormat* implementationGuide* rest*:CapabilityRest",
    ),
    ("CodeableConcept", "coding*:Coding text"),
    ("Coding", "system version code display userSelected:boolean"),
    (
        "Condition",
        "identifier*:Identifier clinicalStatus:CodeableConcept \
         verificationStatus:CodeableConcept category*:CodeableConcept severity:CodeableConcept \
         code:CodeableConcept subject:Reference onsetDateTime onsetPeriod:Period \
         abatementDateTime abatementPeriod:Period recordedDate note*:Annotation",
    ),
    (
        "Consent",
        "identifier*:Identifier status scope:CodeableConcept category*:CodeableConcept \
         patient:Reference dateTime performer*:Reference organization*:Reference \
         sourceAttachment:Attachment sourceReference:Reference policy*:ConsentPolicy \
         policyRule:CodeableConcept provision:ConsentProvision",
    ),
    ("ConsentActor", "role:CodeableConcept reference:Reference"),
    ("ConsentData", "meaning reference:Reference"),
    ("ConsentPolicy", "authority uri"),
    (
        "ConsentProvision",
        "type period:Period actor*:ConsentActor action*:CodeableConcept securityLabel*:Coding \
         purpose*:Coding class*:Coding code*:CodeableConcept dataPeriod:Period \
         data*:ConsentData provision*:ConsentProvision",
    ),
    ("ContactPoint", "system value use rank:integer period:Period"),
    (
        "Contract",
        "identifier*:Identifier version status legalState:CodeableConcept applies:Period \
         authority*:Reference title term*:ContractTerm signer*:ContractSigner",
    ),
    ("ContractOffer", "party*:ContractOfferParty"),
    ("ContractOfferParty", "reference*:Reference role:CodeableConcept"),
    ("ContractSigner", "type:Coding party:Reference signature*:Signature"),
    ("ContractTerm", "identifier:Identifier offer:ContractOffer"),
    (
        "Device",
        "identifier*:Identifier status manufacturer deviceName*:DeviceName modelNumber \
         version*:DeviceVersion owner:Reference",
    ),
    ("DeviceName", "name type"),
    ("DeviceVersion", "type:CodeableConcept value"),
    ("DispenseRequest", "validityPeriod:Period"),
    ("DocumentContent", "attachment:Attachment format:Coding"),
    (
        "DocumentContext",
        "encounter*:Reference event*:CodeableConcept period:Period facilityType:CodeableConcept \
         practiceSetting:CodeableConcept sourcePatientInfo:Reference related*:Reference",
    ),
    (
        "DocumentReference",
        "masterIdentifier:Identifier identifier*:Identifier status docStatus \
         type:CodeableConcept category*:CodeableConcept subject:Reference date \
         author*:Reference authenticator:Reference custodian:Reference \
         relatesTo*:DocumentRelatesTo description securityLabel*:CodeableConcept \
         content*:DocumentContent context:DocumentContext",
    ),
    ("DocumentRelatesTo", "code target:Reference"),
    ("Dosage", "text"),
    (
        "Encounter",
        "identifier*:Identifier status class:Coding type*:CodeableConcept subject:Reference \
         period:Period",
    ),
    (
        "EpisodeOfCare",
        "status type*:CodeableConcept patient:Reference managingOrganization:Reference \
         period:Period careManager:Reference",
    ),
    (
        "Extension",
        "valueBoolean:boolean valueCode valueCodeableConcept:CodeableConcept valueCoding:Coding \
         valueDate valueDateTime valueId valueIdentifier:Identifier valueInstant valueInteger:integer valueOid \
         valueReference:Reference valueString valueUnsignedInt:integer valueUri",
    ),
    ("HumanName", "use text family given* prefix* suffix* period:Period"),
    ("Identifier", "use type:CodeableConcept system value period:Period assigner:Reference"),
    (
        "Immunization",
        "identifier*:Identifier status statusReason:CodeableConcept vaccineCode:CodeableConcept \
         patient:Reference occurrenceDateTime occurrenceString recorded",
    ),
    (
        "List",
        "identifier*:Identifier status mode title code:CodeableConcept subject:Reference \
         encounter:Reference date source:Reference orderedBy:CodeableConcept note*:Annotation \
         entry*:ListEntry emptyReason:CodeableConcept",
    ),
    ("ListEntry", "flag:CodeableConcept deleted:boolean date item:Reference"),
    (
        "MedicationRequest",
        "identifier*:Identifier status intent category*:CodeableConcept doNotPerform:boolean \
         medicationCodeableConcept:CodeableConcept subject:Reference authoredOn \
         dosageInstruction*:Dosage dispenseRequest:DispenseRequest",
    ),
    (
        "MedicationStatement",
        "identifier*:Identifier status category:CodeableConcept \
         medicationCodeableConcept:CodeableConcept subject:Reference effectiveDateTime \
         effectivePeriod:Period dateAsserted dosage*:Dosage",
    ),
    ("Meta", "versionId lastUpdated source profile* security*:Coding tag*:Coding"),
    (
        "Observation",
        "identifier*:Identifier status category*:CodeableConcept code:CodeableConcept \
         subject:Reference effectiveDateTime effectivePeriod:Period issued \
         valueQuantity:Quantity valueCodeableConcept:CodeableConcept valueString \
         interpretation*:CodeableConcept referenceRange*:ObservationRange \
         component*:ObservationComponent",
    ),
    (
        "ObservationComponent",
        "code:CodeableConcept valueQuantity:Quantity valueCodeableConcept:CodeableConcept \
         valueString",
    ),
    ("ObservationRange", "text"),
    ("OperationOutcome", "issue*:OutcomeIssue"),
    (
        "Organization",
        "identifier*:Identifier active:boolean type*:CodeableConcept name alias* \
         telecom*:ContactPoint address*:Address",
    ),
    ("OutcomeIssue", "severity code details:CodeableConcept diagnostics location* expression*"),
    ("Parameters", "parameter*:ParametersParameter"),
    (
        "ParametersParameter",
        "name valueBoolean:boolean valueCanonical valueCode valueDate valueDateTime \
         valueDecimal:decimal valueHumanName:HumanName valueId valueIdentifier:Identifier \
         valueInstant valueInteger:integer valueReference:Reference valueString \
         valueUnsignedInt:integer valueUri valueUrl resource:Resource part*:ParametersParameter",
    ),
    (
        "Patient",
        "identifier*:Identifier active:boolean name*:HumanName telecom*:ContactPoint gender \
         birthDate deceasedBoolean:boolean deceasedDateTime address*:Address link*:PatientLink",
    ),
    ("PatientLink", "other:Reference type"),
    ("Period", "start end"),
    (
        "Practitioner",
        "identifier*:Identifier active:boolean name*:HumanName telecom*:ContactPoint \
         address*:Address gender birthDate",
    ),
    (
        "PractitionerRole",
        "identifier*:Identifier active:boolean period:Period practitioner:Reference \
         organization:Reference code*:CodeableConcept specialty*:CodeableConcept \
         location*:Reference healthcareService*:Reference telecom*:ContactPoint",
    ),
    (
        "Provenance",
        "target*:Reference occurredPeriod:Period occurredDateTime recorded policy* \
         location:Reference reason*:CodeableConcept activity:CodeableConcept \
         agent*:ProvenanceAgent entity*:ProvenanceEntity",
    ),
    (
        "ProvenanceAgent",
        "type:CodeableConcept role*:CodeableConcept who:Reference onBehalfOf:Reference",
    ),
    ("ProvenanceEntity", "role what:Reference"),
    ("Quantity", "value:decimal comparator unit system code"),
    ("Reference", "reference type identifier:Identifier display"),
    (
        "RelatedPerson",
        "identifier*:Identifier active:boolean patient:Reference relationship*:CodeableConcept \
         name*:HumanName telecom*:ContactPoint gender birthDate address*:Address",
    ),
    ("Signature", "type*:Coding when who:Reference"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_that_is_named_is_there() {
        for (kind, _) in TYPES {
            for field in fields(kind).unwrap() {
                let known = field.is_primitive()
                    || field.kind == "Resource"
                    || fields(field.kind).is_some();
                assert!(known, "{kind}.{}: {}", field.name, field.kind);
            }
        }
        for resource in RESOURCES {
            assert!(fields(resource).is_some(), "{resource}");
        }
    }
}
