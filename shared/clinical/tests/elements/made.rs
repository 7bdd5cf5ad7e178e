//! Documents made for what they hold.

use carerecord_clinical::{Elements, Kind, data_elements};
use carerecord_model::{Assertion, ElementKind, ElementValue};

#[test]
fn what_is_negated_is_never_there() {
    let all = cda(
        "48765-2",
        "<act><statusCode code='active'/><entryRelationship typeCode='SUBJ'>
           <observation negationInd='true'><value code='416098002' codeSystem='2.16.840.1.113883.6.96'/>
           <participant typeCode='CSM'><participantRole><playingEntity><code nullFlavor='NA'/>
           </playingEntity></participantRole></participant></observation></entryRelationship></act>
         <act><entryRelationship typeCode='SUBJ'><observation negationInd='true'>
           <value code='419199007' codeSystem='2.16.840.1.113883.6.96'/>
           <participant typeCode='CSM'><participantRole><playingEntity>
             <code code='7980' codeSystem='2.16.840.1.113883.6.88' displayName='Penicillin'/>
           </playingEntity></participantRole></participant></observation></entryRelationship></act>
         <act><entryRelationship typeCode='SUBJ'><observation nullFlavor='NI'/></entryRelationship></act>",
    );

    let [none, penicillin] = all.elements.as_slice() else { panic!("{}", all.elements.len()) };
    assert_eq!(
        (none.assertion, none.concept.codings[0].code.as_str()),
        (Assertion::Absent, "409137002")
    );
    assert_eq!(
        (penicillin.assertion, penicillin.concept.words()),
        (Assertion::Absent, Some("Penicillin"))
    );
    assert_eq!(all.left_out, 1);

    let named = |name: &str| {
        let observation = format!(
            "<act><entryRelationship typeCode='SUBJ'><observation negationInd='true'>
               <value code='419199007' codeSystem='2.16.840.1.113883.6.96'/>
               <participant typeCode='CSM'><participantRole><playingEntity><name>{name}</name>
               </playingEntity></participantRole></participant></observation></entryRelationship></act>"
        );
        let element = cda("48765-2", &observation).elements.remove(0);
        assert_eq!(element.assertion, Assertion::Absent);
        (element.concept.codings.first().map(|c| c.code.clone()), element.verification)
    };
    assert_eq!(named("Penicillin"), (None, Some("refuted".to_owned())));
    assert_eq!(named("No known allergies"), (Some("716186003".to_owned()), None));

    let given = cda(
        "11369-6",
        "<substanceAdministration moodCode='EVN' negationInd='true'><statusCode code='completed'/>
           <effectiveTime value='20240102'/><consumable><manufacturedProduct><manufacturedMaterial>
           <code code='33' codeSystem='2.16.840.1.113883.12.292' displayName='Pneumococcal'/>
           </manufacturedMaterial></manufacturedProduct></consumable></substanceAdministration>
         <substanceAdministration moodCode='INT'><consumable><manufacturedProduct>
           <manufacturedMaterial><code code='33'/></manufacturedMaterial></manufacturedProduct>
           </consumable></substanceAdministration>",
    );
    let [given] = given.elements.as_slice() else { panic!("only what was planned is left out") };
    assert_eq!((given.assertion, given.status.as_deref()), (Assertion::Absent, Some("not-done")));
}

#[test]
fn an_allergy_has_its_reactions_and_the_words_of_the_narrative() {
    let all = cda(
        "48765-2",
        "<act><statusCode code='completed'/><entryRelationship typeCode='SUBJ'>
           <observation><id root='2.999.1' extension='7'/><effectiveTime><low value='1990'/></effectiveTime>
           <value code='414285001' codeSystem='2.16.840.1.113883.6.96'/>
           <participant typeCode='CSM'><participantRole><playingEntity>
             <code nullFlavor='OTH'><originalText><reference value='#a'/></originalText>
               <translation code='260176001' codeSystem='2.16.840.1.113883.6.96'/></code>
           </playingEntity></participantRole></participant>
           <entryRelationship typeCode='MFST'><observation><value code='43116000' displayName='Eczema'/>
           </observation></entryRelationship>
           <entryRelationship typeCode='SUBJ'><observation><code code='82606-5'/><value code='CRITH'/>
           </observation></entryRelationship></observation></entryRelationship>
           <entryRelationship typeCode='SUBJ'><observation><code code='SEV'/><value code='1'/>
           </observation></entryRelationship></act>",
    );

    let [kiwi] = all.elements.as_slice() else { panic!("{}", all.elements.len()) };
    assert_eq!(kiwi.concept.words(), Some("Kiwi fruit, raw"));
    assert_eq!(kiwi.concept.codings[0].code, "260176001");
    assert_eq!(kiwi.reactions[0].words(), Some("Eczema"));
    assert_eq!(kiwi.criticality.as_deref(), Some("high"));
    assert_eq!(kiwi.categories[0].codings[0].code, "food");
    assert_eq!(kiwi.start.as_ref().unwrap().as_str(), "1990");
    // Completed without an end: it may be there still.
    assert_eq!(kiwi.status, None);
    assert_eq!(kiwi.identifiers[0].value.as_deref(), Some("7"));
    assert_eq!(kiwi.section.as_ref().unwrap().place, 1);
    assert_eq!(kiwi.labels[0].code, "R");
}

/// An `ED` holds a reference in the place of words.
#[test]
fn words_that_a_value_refers_to_are_its_own() {
    let value = "<value xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:type='ED'>
        <reference value='#a'/></value>";
    let problems = cda(
        "11450-4",
        &format!(
            "<observation><text>A note</text>{value}</observation>
             <observation><text><reference value='#none'/></text><value nullFlavor='MSK'/></observation>"
        ),
    );
    let results = cda("30954-2", &format!("<observation><code code='1'/>{value}</observation>"));

    let [problem] = problems.elements.as_slice() else { panic!("{}", problems.elements.len()) };
    assert_eq!(problem.concept.words(), Some("Kiwi fruit, raw"));
    assert_eq!(problems.left_out, 1);
    let value = results.elements[0].value.as_ref();
    assert!(matches!(value, Some(ElementValue::Text(text)) if text == "Kiwi fruit, raw"));
}

#[test]
fn medicines_keep_their_mood_status_and_dose() {
    let product = "<consumable><manufacturedProduct><manufacturedMaterial>
        <code code='1' displayName='Amoxicillin'/></manufacturedMaterial></manufacturedProduct></consumable>";
    let all = cda(
        "10160-0",
        &format!(
            "<substanceAdministration moodCode='EVN'><statusCode code='completed'/>
               <effectiveTime><low value='20240101'/></effectiveTime>
               <effectiveTime operator='A' value='20240105'/><doseQuantity value='500' unit='mg'/>{product}
             </substanceAdministration>
             <substanceAdministration moodCode='INT'><statusCode code='active'/>{product}
               <entryRelationship><substanceAdministration>{product}</substanceAdministration>
               </entryRelationship></substanceAdministration>
             <substanceAdministration moodCode='EVN'><code code='no-known-medications'/>
             </substanceAdministration>"
        ),
    );

    let [taken, ordered, none] = all.elements.as_slice() else { panic!("{}", all.elements.len()) };
    assert_eq!((taken.kind, taken.status.as_deref()), (ElementKind::MedicationStatement, None));
    assert_eq!(taken.dosage.as_deref(), Some("500 mg"));
    assert_eq!(taken.start.as_ref().unwrap().as_str(), "20240101");
    assert_eq!(
        (ordered.kind, ordered.status.as_deref()),
        (ElementKind::MedicationRequest, Some("active"))
    );
    assert_eq!(none.assertion, Assertion::Absent);
}

#[test]
fn results_have_values_of_every_type() {
    let all = cda(
        "30954-2",
        "<organizer><effectiveTime value='20240203'/>
           <component><observation><code code='718-7' codeSystem='2.16.840.1.113883.6.1' displayName='Hb'/>
             <statusCode code='completed'/>
             <value xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:type='PQ' value='13.2' unit='g/dL'/>
             <interpretationCode code='N'/><referenceRange><observationRange>
             <value><low value='12' unit='g/dL'/><high value='16' unit='g/dL'/></value>
             </observationRange></referenceRange></observation></component>
           <component><observation><code code='2'/><value value='1e999'/></observation></component>
           <component><observation moodCode='RQO'><code code='3'/></observation></component>
           <component><observation negationInd='true'><code code='4'/><value code='9'/></observation>
           </component></organizer>",
    );

    let [hb, odd, negated] = all.elements.as_slice() else { panic!("{}", all.elements.len()) };
    let Some(ElementValue::Quantity { value, unit, .. }) = &hb.value else { panic!("no quantity") };
    assert_eq!((value.as_str(), unit.as_deref()), ("13.2", Some("g/dL")));
    assert_eq!(hb.reference_range.as_deref(), Some("12 to 16 g/dL"));
    assert_eq!(
        (hb.status.as_deref(), hb.start.as_ref().unwrap().as_str()),
        (Some("final"), "20240203")
    );
    assert!(matches!(&odd.value, Some(ElementValue::Text(text)) if text == "1e999"));
    assert_eq!(negated.assertion, Assertion::Absent);
}

#[test]
fn somebody_elses_resources_and_two_compositions_are_left_out() {
    let bundle = |more: &str| {
        format!(
            r#"{{"resourceType":"Bundle","type":"document","entry":[
            {{"fullUrl":"urn:uuid:c","resource":{{"resourceType":"Composition",
              "subject":{{"reference":"urn:uuid:p"}},"section":[{{"title":"Allergies",
              "code":{{"coding":[{{"system":"http://loinc.org","code":"48765-2"}}]}},
              "entry":[{{"reference":"urn:uuid:a"}},{{"reference":"urn:uuid:b"}}]}}]}}}},
            {{"fullUrl":"urn:uuid:p","resource":{{"resourceType":"Patient"}}}},
            {{"fullUrl":"urn:uuid:q","resource":{{"resourceType":"Patient"}}}},
            {{"fullUrl":"urn:uuid:a","resource":{{"resourceType":"AllergyIntolerance",
              "meta":{{"security":[{{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}}]}},
              "clinicalStatus":{{"coding":[{{"code":"active"}}]}},"patient":{{"reference":"urn:uuid:p"}},
              "code":{{"coding":[{{"system":"http://snomed.info/sct","code":"91936005"}}]}}}}}},
            {{"fullUrl":"urn:uuid:b","resource":{{"resourceType":"AllergyIntolerance",
              "patient":{{"reference":"urn:uuid:q"}},"code":{{"text":"Nuts"}}}}}}{more}]}}"#
        )
    };
    let take = |text: &str| data_elements(text.as_bytes(), &Kind::sniff(text.as_bytes()));

    let all = take(&bundle("")).ok().unwrap();
    let two = take(&bundle(r#",{"resource":{"resourceType":"Composition"}}"#));

    let [own] = all.elements.as_slice() else { panic!("{}", all.elements.len()) };
    assert_eq!((own.status.as_deref(), own.labels[0].code.as_str()), (Some("active"), "R"));
    assert_eq!((own.section.as_ref().unwrap().place, all.left_out), (0, 1));
    assert!(two.is_err());
}

/// A long text that many entries refer to, and more entries than are taken.
#[test]
fn what_is_taken_is_bounded() {
    let long = "word ".repeat(200_000);
    let entry =
        "<observation><code code='1'><originalText><reference value='#a'/></originalText></code>
        <value code='2'/></observation>";
    let section = format!(
        "<component><section><code code='30954-2' codeSystem='2.16.840.1.113883.6.1'/>
         <text><content ID='a'>{long}</content></text>{}</section></component>",
        format!("<entry>{entry}</entry>").repeat(8_000)
    );
    let all = document(&section);

    assert!(all.elements.len() <= 5_000 && all.left_out > 0);
    assert!(serde_json::to_string(&all.elements).unwrap().len() < 5 << 20);
    let words = all.elements[0].concept.words().unwrap();
    assert!(words.len() <= 2_000);
}

fn cda(code: &str, statements: &str) -> Elements {
    let entries: String = ["<entry>", statements, "</entry>"].concat();
    document(&format!(
        "<component><section><title>Something else</title></section></component>
         <component><section><code code='{code}' codeSystem='2.16.840.1.113883.6.1'/>
         <confidentialityCode code='R' codeSystem='2.16.840.1.113883.5.25'/>
         <title>It</title><text><content ID='a'>Kiwi fruit, <b>raw</b></content></text>
         {entries}</section></component>"
    ))
}

fn document(body: &str) -> Elements {
    let text = format!(
        "<ClinicalDocument xmlns='urn:hl7-org:v3'><component><structuredBody>{body}</structuredBody>\
         </component></ClinicalDocument>"
    );
    data_elements(text.as_bytes(), &Kind::Cda).ok().unwrap()
}
