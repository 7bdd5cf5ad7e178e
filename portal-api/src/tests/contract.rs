//! The agreements, for those who run the programme and for privacy officers.

use super::looking::{as_role, by};
use super::*;

#[tokio::test]
async fn the_matrix_says_who_shares_with_whom_and_what_stops() {
    let mut client = Client::of(registry(), Some(person())).await;
    by(&mut client, &as_role("operator", "ZEX09", "R8013")).await;

    let all = client.get("Contract", &[]).await;
    assert_eq!(all.status, 200, "{}", all.text);
    let [agreement] = all.matches().try_into().unwrap();
    assert_eq!(agreement["legalState"]["coding"][0]["code"], "in-force");
    assert_eq!(agreement["signer"].as_array().unwrap().len(), 4, "the processor does not sign");
    assert_eq!(agreement["term"].as_array().unwrap().len(), 2);
    let id = agreement["id"].as_str().unwrap();
    let read = client.get(&format!("Contract/{id}"), &[]).await;
    assert_eq!(read.json(), agreement);
    let xml = client.get(&format!("Contract/{id}?_format=xml"), &[]).await;
    assert!(xml.status == 200 && xml.text.contains("<signer>"), "{}", xml.text);
    assert_eq!(client.get("Contract/dsa-ev-0001.2", &[]).await.status, 404);
    assert_eq!(client.audited().await[0].decision.as_ref().unwrap().rule, "programme-duty");
}

/// Late in the evening of a summer's day, which in London has ended: the decision goes by the day in
/// UTC, and so does what is said of agreements.
#[tokio::test]
async fn agreements_are_told_by_the_day_of_the_decision() {
    let evening: jiff::Timestamp = "2027-06-30T23:30:00Z".parse().unwrap();
    let nodes = [FakeNode::default(), FakeNode::default()];
    let clock = Arc::new(Stopped(evening));
    let mut client = Client::at(registry(), Some(person()), nodes, clock).await;
    by(&mut client, &as_role("officer", "ZEX01", "R0001")).await;

    let answer = client.get("Contract/$sharing", &[]).await;

    let told = answer.json()["parameter"].clone();
    assert_eq!((&told[0]["name"], &told[0]["valueDate"]), (&"date".into(), &"2027-06-30".into()));
    assert_eq!(told[1]["valueDate"], "2027-08-01", "the end of the next month by that day");
}

#[derive(Debug)]
struct Stopped(jiff::Timestamp);

impl Clock for Stopped {
    fn now(&self) -> jiff::Timestamp {
        self.0
    }
}

#[tokio::test]
async fn what_stops_next_month_is_told_beforehand() {
    let mut client = Client::of(registry(), Some(person())).await;
    by(&mut client, &as_role("officer", "ZEX01", "R0001")).await;

    for (asked, stops, shared) in [
        ("date=2028-01-31", false, true),
        ("date=2028-02-01", true, true),
        ("date=2028-01-31&stops-before=2028-03-10", true, true),
        ("date=2028-03-10", false, false),
        ("date=2026-11-02&purpose=audit", false, false),
    ] {
        let answer = client.get(&format!("Contract/$sharing?{asked}"), &[]).await;
        assert_eq!(answer.status, 200, "{asked}: {}", answer.text);
        let all = answer.json()["parameter"].as_array().unwrap().clone();
        let pairs: Vec<_> = all.iter().filter(|p| p["name"] == "sharing").collect();
        assert_eq!(pairs.len(), 20, "every pair of five organisations");
        let to_council = pairs.iter().find(|p| {
            p["part"][0]["valueReference"]["identifier"]["value"] == "ZEX01"
                && p["part"][1]["valueReference"]["identifier"]["value"] == "ZEX05"
        });
        let parts = to_council.unwrap()["part"].as_array().unwrap();
        assert_eq!(parts.iter().any(|p| p["name"] == "under"), shared, "{asked}");
        assert_eq!(parts.last().unwrap()["valueBoolean"], stops, "{asked}");
        assert_eq!(all.iter().any(|p| p["name"] == "stops"), stops, "{asked}");
    }
    for bad in ["date=soon", "purpose=gossip", "colour=red", "stops-before=2026-13-01"] {
        assert_eq!(client.get(&format!("Contract/$sharing?{bad}"), &[]).await.status, 400, "{bad}");
    }
    for role in ["R8000", "R8015", "R8010"] {
        by(&mut client, &as_role("somebody", "ZEX01", role)).await;
        for path in ["Contract", "Contract/dsa-ev-0001.1", "Contract/$sharing"] {
            let answer = client.get(path, &[]).await;
            assert_eq!(answer.status, 403, "{role} {path}: {}", answer.text);
            assert_eq!(client.audited().await[0].outcome.as_str(), "refused");
        }
    }
}
