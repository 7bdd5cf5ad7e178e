use carerecord_model::{Code, Dtm, NhsNumber, OrganisationCode, UniqueId};

/// What the options give, and the columns of a manifest.
#[derive(Clone)]
pub struct Given {
    /// For documents whose header has no NHS Number.
    pub patient: Option<NhsNumber>,
    /// Who publishes.
    pub organisation: OrganisationCode,
    /// Its name.
    pub organisation_name: String,
    /// The type, whatever the header says.
    pub type_code: Option<Code>,
    /// When the document was made, for those whose header does not say.
    pub created: Option<Dtm>,
    /// The title, for documents whose header has none.
    pub title: Option<String>,
    /// The document that this one replaces, whatever the header says.
    pub replaces: Option<UniqueId>,
    /// The document's id, whatever the header says.
    pub unique_id: Option<UniqueId>,
    /// The organisation that wrote documents whose header names none, when that is another one
    /// than publishes: its code and its name.
    pub author: Option<(OrganisationCode, String)>,
}

impl Given {
    /// Only who publishes, and for whom.
    pub fn new(
        patient: Option<NhsNumber>,
        organisation: OrganisationCode,
        organisation_name: String,
    ) -> Self {
        Self {
            patient,
            organisation,
            organisation_name,
            type_code: None,
            created: None,
            title: None,
            replaces: None,
            unique_id: None,
            author: None,
        }
    }

    /// The organisation that wrote documents whose header names none.
    pub(super) fn author(&self) -> (&OrganisationCode, &str) {
        match &self.author {
            Some((code, name)) => (code, name),
            None => (&self.organisation, &self.organisation_name),
        }
    }
}
