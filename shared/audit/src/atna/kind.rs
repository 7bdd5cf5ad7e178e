use crate::AuditEvent;

/// What kind of event a record is of. DICOM PS3.16, CID 400; the tables of ITI TF-2.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Kind {
    /// Code and name of the EventID, of DCM.
    pub event: (&'static str, &'static str),
    /// C, R, U, D or E.
    pub action: &'static str,
    /// The transaction's name, where it is one of IHE.
    pub transaction: Option<&'static str>,
    /// Whether the data went from the recorder to its peer.
    pub gives: bool,
    /// The interaction of FHIR, where it is one.
    pub rest: Option<&'static str>,
}

impl Kind {
    /// The kind of a record, by its interaction. What is an import where a message comes in is an export
    /// where it goes out.
    pub(super) fn of(event: &AuditEvent) -> Self {
        let kind = Self::coming_in(event);
        match kind.event {
            _ if event.direction == "in" => kind,
            IMPORT => Self { event: EXPORT, action: "R", ..kind },
            EXPORT => Self { event: IMPORT, action: "C", ..kind },
            _ => kind,
        }
    }

    fn coming_in(event: &AuditEvent) -> Self {
        let mut words = event.interaction.split(' ');
        let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let query = |name| Self::new(QUERY, "E", Some(name), false);
        let import = |action, name| Self::new(IMPORT, action, Some(name), false);
        match first {
            "ITI-8" => {
                Self::new(PATIENT, feed_action(second), Some("Patient Identity Feed"), false)
            }
            "ITI-18" => query("Registry Stored Query"),
            "ITI-41" => import("C", "Provide and Register Document Set-b"),
            "ITI-42" => import("C", "Register Document Set-b"),
            "ITI-43" => Self::new(EXPORT, "R", Some("Retrieve Document Set"), true),
            "ITI-44" => Self::new(PATIENT, "C", Some("Patient Identity Feed"), false),
            "ITI-51" => query("Multi-Patient Query"),
            "ITI-57" => import("U", "Update Document Set"),
            "ITI-61" => import("C", "Register On-Demand Document Entry"),
            "ITI-62" => Self::new(PATIENT, "D", Some("Remove Metadata"), false),
            "ITI-68" => Self::new(EXPORT, "R", Some("Retrieve Document"), true).rest("read"),
            "ITI-81" => Self::new(AUDIT_LOG_USED, "R", Some("Retrieve ATNA Audit Event"), true),
            "ITI-83" => query("Mobile Patient Identifier Cross-reference Query").rest("operation"),
            "ITI-86" => Self::new(PATIENT, "D", Some("Remove Documents"), false),
            "ITI-92" => import("U", "Restricted Update Document Set"),
            "PCC-44" => query("Mobile Query Existing Data").rest("search-type"),
            "search" => Self::new(QUERY, "E", None, false).rest("search-type"),
            "read" => Self::new(PATIENT, "R", None, true).rest("read"),
            "create" => Self::new(PATIENT, "C", None, false).rest("create"),
            "update" => Self::new(PATIENT, "U", None, false).rest("update"),
            "node" if second == "authentication" => Self::new(SECURITY_ALERT, "E", None, false),
            "audit" => Self::new(AUDIT_LOG_USED, "R", None, true),
            _ if matches!(event.status, 401 | 403) => Self::new(SECURITY_ALERT, "E", None, false),
            _ => Self::new(APPLICATION, "E", None, false),
        }
    }

    fn new(
        event: (&'static str, &'static str),
        action: &'static str,
        transaction: Option<&'static str>,
        gives: bool,
    ) -> Self {
        Self { event, action, transaction, gives, rest: None }
    }

    fn rest(self, interaction: &'static str) -> Self {
        Self { rest: Some(interaction), ..self }
    }

    /// The transaction's code, as `ITI-18`.
    pub(super) fn code(self, event: &AuditEvent) -> Option<&str> {
        self.transaction.and_then(|_| event.interaction.split(' ').next())
    }
}

/// A01, A04 and A05 make, A08 changes; a merge is told as a change of the survivor.
fn feed_action(trigger: &str) -> &'static str {
    if trigger.contains("A08") || trigger.contains("A40") { "U" } else { "C" }
}

const APPLICATION: (&str, &str) = ("110100", "Application Activity");
const AUDIT_LOG_USED: (&str, &str) = ("110101", "Audit Log Used");
const EXPORT: (&str, &str) = ("110106", "Export");
const IMPORT: (&str, &str) = ("110107", "Import");
const PATIENT: (&str, &str) = ("110110", "Patient Record");
const QUERY: (&str, &str) = ("110112", "Query");
const SECURITY_ALERT: (&str, &str) = ("110113", "Security Alert");
