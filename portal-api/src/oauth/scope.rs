//! SMART App Launch 2 scopes: of systems, `system/DocumentReference.rs`, and of apps for the people who
//! use them, `patient/*.rs` and `user/*.rs`.

use std::fmt;

/// What may be done with resources of a type.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Permission {
    Read,
    Search,
    /// Publish documents by a transaction, ITI-65.
    Publish,
    /// Any other create, update, delete: no token has it.
    Write,
}

/// What a client may ask for, or has asked for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Scopes {
    all: Vec<Scope>,
    /// Whether a patient is to be chosen: `launch/patient`.
    launch_patient: bool,
}

/// In whose name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Level {
    /// The client's own.
    System,
    /// A person's, about whomever they may see.
    User,
    /// A person's, about one patient.
    Patient,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Scope {
    level: Level,
    /// A type, or `*`.
    resource: String,
    create: bool,
    read: bool,
    search: bool,
}

impl Scopes {
    /// Those that there are.
    pub const SUPPORTED: [&str; 15] = [
        "system/*.rs",
        "system/*.crs",
        "system/DocumentReference.c",
        "system/DocumentReference.rs",
        "system/List.rs",
        "system/Binary.r",
        "system/Patient.rs",
        "system/AllergyIntolerance.rs",
        "system/Condition.rs",
        "system/MedicationStatement.rs",
        "system/MedicationRequest.rs",
        "system/Immunization.rs",
        "system/Observation.rs",
        "system/Encounter.rs",
        "system/Provenance.rs",
    ];

    /// Those of apps, and narrower ones: each type of those above has its own.
    pub const OF_APPS: [&str; 3] = [LAUNCH_PATIENT, "patient/*.rs", "user/*.rs"];

    /// The scopes of a configuration.
    ///
    /// # Errors
    /// Which one is none.
    pub fn parse_all(scopes: &[String]) -> Result<Self, String> {
        let is_one = |scope: &String| scope == LAUNCH_PATIENT || Scope::parse(scope).is_some();
        match scopes.iter().find(|scope| !is_one(scope)) {
            Some(none) => Err(unknown(none)),
            None => Ok(Self::parse(&scopes.join(" "))),
        }
    }

    /// The scopes of a request or a token; what is no scope here is left out.
    pub fn parse(scopes: &str) -> Self {
        let launch_patient = scopes.split(' ').any(|scope| scope == LAUNCH_PATIENT);
        Self { all: scopes.split(' ').filter_map(Scope::parse).collect(), launch_patient }
    }

    /// Whether nothing may be done by them.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether all are of such a level; to choose a patient is an app's.
    pub(super) fn are_all(&self, is: impl Fn(Level) -> bool) -> bool {
        (!self.launch_patient || is(Level::Patient)) && self.all.iter().all(|scope| is(scope.level))
    }

    /// Whether they are a person's, by an app.
    pub fn are_of_an_app(&self) -> bool {
        !self.is_empty() && self.are_all(|level| level != Level::System)
    }

    /// Whether they are about one patient, who is to be chosen.
    pub(super) fn need_patient(&self) -> bool {
        self.launch_patient || self.all.iter().any(|scope| scope.level == Level::Patient)
    }

    /// Those of `asked` that are within these.
    pub fn grant(&self, asked: &Self) -> Self {
        let within = |asked: &&Scope| self.all.iter().any(|mine| mine.covers(asked));
        Self {
            all: asked.all.iter().filter(within).cloned().collect(),
            launch_patient: self.launch_patient && asked.launch_patient,
        }
    }

    /// Whether anything may be read by them.
    pub fn read(&self) -> bool {
        self.all.iter().any(|scope| scope.read || scope.search)
    }

    /// Whether documents may be published by them.
    pub fn publish(&self) -> bool {
        self.all.iter().any(|scope| scope.create)
    }

    /// Whether something may be done with resources of a type.
    pub fn permit(&self, resource: &str, permission: Permission) -> bool {
        self.all.iter().any(|scope| {
            let may = match permission {
                Permission::Read => scope.read,
                Permission::Search => scope.search,
                Permission::Publish => return scope.create,
                Permission::Write => false,
            };
            may && scope.is_about(resource)
        })
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.launch_patient {
            f.write_str(LAUNCH_PATIENT)?;
        }
        for (n, scope) in self.all.iter().enumerate() {
            let space = if n == 0 && !self.launch_patient { "" } else { " " };
            let letters = [(scope.create, 'c'), (scope.read, 'r'), (scope.search, 's')];
            let may = letters.into_iter().filter_map(|(may, letter)| may.then_some(letter));
            let (level, may) = (scope.level.word(), may.collect::<String>());
            write!(f, "{space}{level}/{}.{may}", scope.resource)?;
        }
        Ok(())
    }
}

impl Scope {
    /// One of version 2, or of version 1 (`.read`, `.write`, `.*`), as far as it can be granted here.
    fn parse(scope: &str) -> Option<Self> {
        let (level, rest) = scope.split_once('/')?;
        let level = Level::ALL.into_iter().find(|known| known.word() == level)?;
        let (resource, permissions) = rest.split_once('.')?;
        if !RESOURCES.contains(&resource) {
            return None;
        }
        let (create, read, search) = match permissions {
            "read" | "rs" => (false, true, true),
            "r" => (false, true, false),
            "s" => (false, false, true),
            "write" | "c" => (true, false, false),
            "*" | "crs" => (true, true, true),
            "cr" => (true, true, false),
            "cs" => (true, false, true),
            // Whatever more is asked for is not there: of it nothing is granted.
            _ => return None,
        };
        // Systems publish; people do not.
        if create && (level != Level::System || !["*", "DocumentReference"].contains(&resource)) {
            return None;
        }
        Some(Self { level, resource: resource.to_owned(), create, read, search })
    }

    /// Whether it is about a type. What an app may read at all stands in a list: what else its person
    /// may see, of accesses or of the programme, is not for apps.
    fn is_about(&self, resource: &str) -> bool {
        let all = self.resource == "*";
        self.resource == resource
            || (all && (self.level == Level::System || RESOURCES.contains(&resource)))
    }

    fn covers(&self, asked: &Self) -> bool {
        self.level == asked.level
            && (self.resource == "*" || self.resource == asked.resource)
            && (self.create || !asked.create)
            && (self.read || !asked.read)
            && (self.search || !asked.search)
    }
}

impl Level {
    const ALL: [Self; 3] = [Self::System, Self::User, Self::Patient];

    fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Patient => "patient",
        }
    }
}

fn unknown(scope: &str) -> String {
    let (systems, apps) = (Scopes::SUPPORTED.join(", "), Scopes::OF_APPS.join(", "));
    format!("{scope:?} is no scope that systems can have here: {systems}; nor apps: {apps}")
}

const LAUNCH_PATIENT: &str = "launch/patient";

const RESOURCES: [&str; 13] = [
    "*",
    "DocumentReference",
    "List",
    "Binary",
    "Patient",
    "AllergyIntolerance",
    "Condition",
    "MedicationStatement",
    "MedicationRequest",
    "Immunization",
    "Observation",
    "Encounter",
    "Provenance",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_granted_than_is_allowed_and_asked_for() {
        let granted = |allowed: &str, asked: &str| {
            Scopes::parse(allowed).grant(&Scopes::parse(asked)).to_string()
        };
        let all = "system/*.rs";

        assert_eq!(granted(all, "system/*.read"), all);
        assert_eq!(granted(all, "system/Patient.r system/Patient.cruds"), "system/Patient.r");
        assert_eq!(granted("system/Patient.rs", all), "");
        assert_eq!(granted("system/Patient.r", "system/Patient.rs"), "");
        assert_eq!(granted("system/List.s", "system/List.s openid"), "system/List.s");
        let publish = "system/DocumentReference.c";
        assert_eq!(granted("system/*.crs", "system/DocumentReference.write"), publish);
        assert_eq!(granted(all, publish), "", "who reads does not publish");
        assert_eq!(granted(publish, "system/*.crs"), "");
        for none in [
            "system/List.c",
            "user/Patient.rs",
            "system/Patient.rs?gender=f",
            "system/Patient.sr",
            "",
            "x",
        ] {
            assert_eq!(granted(all, none), "", "{none}");
        }
    }

    #[test]
    fn apps_read_for_people_and_no_more_than_is_clinical() {
        let granted = |allowed: &str, asked: &str| {
            Scopes::parse(allowed).grant(&Scopes::parse(asked)).to_string()
        };
        let all = "launch/patient patient/*.rs user/Patient.rs";

        assert_eq!(granted(all, all), all);
        let asked = "openid fhirUser launch/patient patient/*.read user/*.rs system/*.rs";
        assert_eq!(granted(all, asked), "launch/patient patient/*.rs");
        assert_eq!(granted("patient/*.rs", "launch/patient patient/List.r"), "patient/List.r");
        assert_eq!(granted("user/*.rs", "patient/*.rs"), "", "one is not the other");
        assert_eq!(granted(all, "patient/DocumentReference.crs"), "", "nobody publishes by an app");
        let scopes = Scopes::parse("user/*.rs");
        assert!(scopes.permit("Condition", Permission::Search) && !scopes.need_patient());
        for none in ["AuditEvent", "Consent", "EpisodeOfCare", "Contract", "$feeds"] {
            assert!(!scopes.permit(none, Permission::Search), "{none}");
        }
        assert!(Scopes::parse("system/*.rs").permit("Consent", Permission::Search));
        assert!(Scopes::parse("patient/*.rs").need_patient());
        assert!(!Scopes::parse("launch/patient").are_of_an_app(), "it opens nothing by itself");
    }

    #[test]
    fn a_scope_permits_what_it_names() {
        let scopes = Scopes::parse("system/List.s system/Binary.r");

        assert!(scopes.permit("List", Permission::Search));
        assert!(!scopes.permit("List", Permission::Read));
        assert!(scopes.permit("Binary", Permission::Read));
        assert!(!scopes.permit("Patient", Permission::Read));
        assert!(Scopes::parse("system/*.rs").permit("Patient", Permission::Read));
        assert!(!Scopes::parse("system/*.rs").permit("Consent", Permission::Write));
        assert!(!Scopes::parse("system/*.crs").permit("Consent", Permission::Write));
        assert!(!Scopes::parse("system/*.rs").permit("", Permission::Publish));
        for publishes in ["system/DocumentReference.c", "system/*.write", "system/*.*"] {
            let scopes = Scopes::parse(publishes);
            assert!(scopes.permit("", Permission::Publish) && scopes.publish(), "{publishes}");
        }
        assert!(!Scopes::parse("system/DocumentReference.c").read());
    }

    #[test]
    fn what_is_supported_can_be_configured() {
        let all = Scopes::SUPPORTED.map(str::to_owned);

        assert_eq!(Scopes::parse_all(&all).unwrap().to_string(), all.join(" "));
        assert!(Scopes::parse_all(&["system/Consent.c".to_owned()]).is_err());
    }
}
