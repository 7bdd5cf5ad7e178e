use carerecord_model::QueryId;
use carerecord_registry::{RECORD_MSGPACK, RecordAnswer};
use carerecord_testkit::{Deployment, Letter, PATIENT, Role, SOAP, patient_id, query_message};

/// What a search finds is read by its address, in either form.
pub async fn what_a_search_finds_is_read_by_its_address(deployment: Deployment) {
    let answer = deployment.node(0).publish(&Letter::text(PATIENT, 1)).await.unwrap();
    assert!(answer.is_success(), "{}", answer.envelope);
    let fhir = deployment.fhir().as_system().await;
    let searches = [("List", "status=current&code=submissionset"), ("DocumentReference", STATUS)];

    for (kind, parameters) in searches {
        let (status, bundle) = fhir.search(kind, PATIENT, parameters).await;
        assert_eq!(status, 200, "{bundle}");
        let url = bundle["entry"][0]["fullUrl"].as_str().unwrap_or_else(|| panic!("{bundle}"));

        let (status, resource) = fhir.resource(url).await;
        let (xml_status, xml) = fhir.get(&format!("{url}?_format=xml")).await.unwrap();
        let nobody = "00000000-0000-4000-8000-000000000000";
        let (missing, _) = fhir.resource(&format!("{kind}/{nobody}")).await;

        assert_eq!(status, 200, "{resource}");
        assert_eq!(resource["resourceType"], kind);
        assert_eq!(resource["id"], bundle["entry"][0]["resource"]["id"]);
        assert_eq!(xml_status, 200);
        assert!(xml.starts_with(format!("<{kind} xmlns=").as_bytes()), "{xml:?}");
        assert_eq!(missing, 404, "{kind}");
    }
    deployment.assert_no_panic();
}

/// A role keeps the records that it is told: the registry tells one again only when it has changed, and
/// what has is in the next search.
pub async fn a_record_is_told_again_when_it_has_changed(deployment: Deployment) {
    let fhir = deployment.fhir().as_system().await;
    let publish = async |n| {
        let answer = deployment.node(0).publish(&Letter::text(PATIENT, n)).await.unwrap();
        assert!(answer.is_success(), "{}", answer.envelope);
    };
    let searched = async || {
        let (status, bundle) = fhir.search("DocumentReference", PATIENT, STATUS).await;
        assert_eq!(status, 200, "{bundle}");
        bundle["total"].as_u64().unwrap()
    };
    let before = searched().await;
    publish(31).await;
    let told = ask(&deployment, None).await;
    assert_eq!(told.person.as_ref().unwrap().nhs_number.digits(), PATIENT);
    let (first, found) = (told.state.unwrap(), told.found.unwrap());
    for _ in 0..2 {
        assert!(ask(&deployment, Some(&first)).await.found.is_none());
        assert_eq!(searched().await, before + 1);
    }

    publish(32).await;

    assert_eq!(searched().await, before + 2);
    let told = ask(&deployment, Some(&first)).await;
    assert_ne!(told.state.unwrap(), first);
    assert_eq!(told.found.unwrap().document_entries.len(), found.document_entries.len() + 1);
    assert_eq!(searched().await, before + 2);
    deployment.assert_no_panic();
}

/// Asks the registry for a whole record, of which a state may be known.
async fn ask(deployment: &Deployment, known: Option<&str>) -> RecordAnswer {
    let any = |kind: &str| {
        let statuses = ["Approved", "Deprecated"]
            .map(|s| format!("'urn:oasis:names:tc:ebxml-regrep:StatusType:{s}'"));
        (format!("$XDS{kind}Status"), format!("({})", statuses.join(",")))
    };
    let patient = ("$patientId".to_owned(), patient_id(PATIENT));
    let parameters = [patient, any("DocumentEntry"), any("SubmissionSet"), any("Folder")];
    let parameters = parameters.each_ref().map(|(name, value)| (name.as_str(), value.clone()));
    let message = query_message(QueryId::GET_ALL, "LeafClass", &parameters);
    let known = known.map(|state| format!(";known=\"{state}\"")).unwrap_or_default();
    let request = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .post(deployment.url(Role::Registry, "/xds/registry"))
        .header("content-type", SOAP)
        .header("accept", format!("{RECORD_MSGPACK}{known}"));
    let answer = request.body(message).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], RECORD_MSGPACK);
    RecordAnswer::read(&answer.bytes().await.unwrap()).unwrap()
}

const STATUS: &str = "status=current";
