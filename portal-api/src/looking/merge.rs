use carerecord_audit::AuditEvent;

use super::{Given, Place};

/// The newest records of all answers, so many at most, each with its log; and where each log goes
/// on. A log that has not looked at all it has holds the others where it stopped: what it finds next
/// may be newer.
pub(super) fn merged(
    given: Vec<Given>,
    most: usize,
) -> (Vec<(String, AuditEvent)>, Option<Vec<Place>>) {
    let mut logs: Vec<_> = given
        .into_iter()
        .map(|given| {
            let page = given.page;
            let events = page.events.into_iter().peekable();
            ((given.id, given.name), events, page.next, page.up_to, None)
        })
        .collect();
    let mut found = Vec::new();
    while found.len() < most {
        let newest = logs
            .iter_mut()
            .enumerate()
            .filter_map(|(n, log)| Some((log.1.peek()?.event.recorded_at, std::cmp::Reverse(n))))
            .max();
        let Some((_, std::cmp::Reverse(n))) = newest else { break };
        if logs.iter_mut().any(|log| log.1.peek().is_none() && log.2.is_some()) {
            break;
        }
        let log = &mut logs[n];
        if let Some(stored) = log.1.next() {
            log.4 = Some(stored.seq);
            found.push((log.0.1.clone(), stored.event));
        }
    }
    let mut goes_on = false;
    let places = logs
        .into_iter()
        .map(|((log, _), mut events, next, up_to, taken)| {
            let before = match (events.peek(), next) {
                // Nothing of what it gave was taken, or not all.
                (Some(first), _) => Some(taken.unwrap_or(first.seq + 1)),
                (None, Some(next)) => Some(next),
                (None, None) => None,
            };
            goes_on |= before.is_some();
            Place { log, before: Some(before.unwrap_or(0)), up_to }
        })
        .collect();
    (found, goes_on.then_some(places))
}

#[cfg(test)]
mod tests {
    use carerecord_audit::{AuditPage, StoredEvent};
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;

    fn page(name: &str, times: &[i64], next: Option<i64>) -> Given {
        let event = |at: &i64| {
            let time = Timestamp::from_second(*at).unwrap();
            let event = AuditEvent::incoming(Uuid::from_u128(1), time, name, "fhir");
            StoredEvent { seq: *at, event }
        };
        let events = times.iter().map(event).collect();
        Given {
            id: name.to_owned(),
            name: name.to_owned(),
            page: AuditPage { events, next, ..AuditPage::default() },
        }
    }

    fn times(found: &[(String, AuditEvent)]) -> Vec<i64> {
        found.iter().map(|(_, event)| event.recorded_at.as_second()).collect()
    }

    fn before(next: Option<Vec<Place>>) -> Option<Vec<i64>> {
        next.map(|places| places.iter().filter_map(|p| p.before).collect())
    }

    #[test]
    fn the_newest_come_first_and_each_log_goes_on_where_it_was_left() {
        let logs = vec![page("a", &[9, 7, 2], Some(2)), page("b", &[8, 3], None)];
        let (found, next) = merged(logs, 3);
        assert_eq!((times(&found), before(next)), (vec![9, 8, 7], Some(vec![7, 8])));

        let logs = vec![page("a", &[9, 7], None), page("b", &[8], None)];
        let (found, next) = merged(logs, 3);
        assert_eq!((times(&found), next.is_none()), (vec![9, 8, 7], true));
    }

    #[test]
    fn a_log_that_has_not_looked_at_all_holds_the_others() {
        let logs = vec![page("a", &[9], Some(5)), page("b", &[8, 3], None)];
        let (found, next) = merged(logs, 10);
        assert_eq!((times(&found), before(next)), (vec![9], Some(vec![5, 9])));

        let logs = vec![page("a", &[], Some(5)), page("b", &[8, 3], None)];
        let (found, next) = merged(logs, 10);
        assert_eq!((times(&found), before(next)), (vec![], Some(vec![5, 9])));
    }
}
