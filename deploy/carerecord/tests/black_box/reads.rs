use carerecord_testkit::{Deployment, GP, Letter, PATIENT};

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

/// A portal keeps records that have not changed: what has is in the next search.
pub async fn a_change_of_a_record_is_in_the_next_search(deployment: Deployment) {
    let fhir = deployment.fhir().as_person(GP).await;
    let searched = async || {
        let (status, bundle) = fhir.search("DocumentReference", PATIENT, STATUS).await;
        assert_eq!(status, 200, "{bundle}");
        bundle["total"].as_u64().unwrap()
    };
    let before = searched().await;
    for n in 1..=3 {
        let answer = deployment.node(0).publish(&Letter::text(PATIENT, 30 + n)).await.unwrap();
        assert!(answer.is_success(), "{}", answer.envelope);
        for _ in 0..3 {
            assert_eq!(searched().await, before + u64::from(n));
        }
    }
    deployment.assert_no_panic();
}

const STATUS: &str = "status=current";
