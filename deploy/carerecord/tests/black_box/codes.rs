use carerecord_testkit::{Letter, PATIENT, corpus, files};

use crate::example::Example;

/// What an affinity domain enforces is refused by name; other codes are taken and reported.
#[tokio::test]
async fn codes_are_enforced_by_attribute_and_others_are_reported() {
    let example = Example::start(|text| {
        let enforced = "enforce = true\nenforce_attribute = { mimeType = false, \
                        healthcareFacilityTypeCode = false }";
        assert!(text.contains("enforce = false"));
        text.replace("enforce = false", enforced)
    });
    let sample = example.file("letter.txt");
    std::fs::write(&sample, "A letter").unwrap();

    let node = example.url(2, "/xds/repository");
    let sample = sample.to_str().unwrap();
    let published = example.run(&["publish", sample, "--patient", PATIENT, "--node", &node]);
    let letter = Letter { class: "strange".to_owned(), ..Letter::text(PATIENT, 1) };
    let refused = example.node().publish(&letter).await.unwrap();

    // What `publish` sends is in the UK default.
    let said = String::from_utf8_lossy(&published.stdout);
    assert!(published.status.success() && said.contains("accepted\t"), "{said}");
    assert_eq!(refused.error_codes()[0], "XDSRegistryMetadataError");
    assert!(refused.envelope.contains("classCode strange"), "{}", refused.envelope);
    let strange = "application/x-strange".to_owned();
    let letter = Letter { mime_type: strange, ..Letter::text(PATIENT, 2) };
    let answer = example.node().publish(&letter).await.unwrap();
    assert!(answer.is_success(), "{}", answer.envelope);
}

#[tokio::test]
async fn unmapped_codes_are_reported_for_each_source() {
    let example = Example::start(|text| text);
    let letter = Letter { class: "strange".to_owned(), ..Letter::text(PATIENT, 1) };
    for _ in 0..2 {
        let answer = example.node().publish(&letter).await.unwrap();
        assert!(answer.is_success(), "{}", answer.envelope);
    }

    let by_config = example.run(&["codes", "report", "--config", &example.config()]);
    let by_data = example.run(&["codes", "report", "--data", &example.path("data")]);

    let report = String::from_utf8(by_config.stdout.clone()).unwrap();
    let line = report.lines().find(|l| l.contains("\tclassCode\t")).expect("the code is there");
    let fields: Vec<&str> = line.split('\t').collect();
    assert_eq!((fields[2], fields[4]), ("strange", "1"), "{report}");
    assert_eq!(by_config.stdout, by_data.stdout);
}

/// Every codes.xml is of use; a ValueSet is, or says that it needs its expansion.
#[test]
fn code_files_of_others_can_be_used() {
    let Some(corpus) = corpus() else { return };
    let all = files(&corpus.join("codes"));
    let (mut codes_xml, mut value_sets) = (0, 0);
    for path in all {
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        let is_codes_xml = text.contains("<CodeType");
        let compact: String = text.split_whitespace().collect();
        let is_value_set = compact.starts_with("{\"resourceType\":\"ValueSet\"")
            || text.contains("<ValueSet xmlns=\"http://hl7.org/fhir\"");
        if !is_codes_xml && !is_value_set {
            continue;
        }
        let mut command = std::process::Command::new(super::BINARY);
        let output = command.args(["codes", "check"]).arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        if is_codes_xml {
            codes_xml += 1;
            assert!(output.status.success() && said.contains("typeCode "), "{said}");
        } else {
            value_sets += 1;
            assert!(output.status.success() || said.contains("give its expansion"), "{said}");
        }
    }
    assert!(codes_xml > 0 && value_sets > 0, "{codes_xml} codes.xml, {value_sets} ValueSets");
}
