//! SMART App Launch 2 scopes of systems: `system/DocumentReference.rs`.

use std::fmt;

/// What may be done with resources of a type. Systems read: nothing here is written by them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Permission {
    Read,
    Search,
    /// Create, update, delete.
    Write,
}

/// What a system may ask for, or has asked for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Scopes(Vec<Scope>);

#[derive(Clone, Debug, Eq, PartialEq)]
struct Scope {
    /// A type, or `*`.
    resource: String,
    read: bool,
    search: bool,
}

impl Scopes {
    /// Those that there are.
    pub const SUPPORTED: [&str; 5] = [
        "system/*.rs",
        "system/DocumentReference.rs",
        "system/List.rs",
        "system/Binary.r",
        "system/Patient.rs",
    ];

    /// The scopes of a configuration.
    ///
    /// # Errors
    /// Which one is none.
    pub fn parse_all(scopes: &[String]) -> Result<Self, String> {
        let parse = |scope: &String| Scope::parse(scope).ok_or_else(|| unknown(scope));
        Ok(Self(scopes.iter().map(parse).collect::<Result<_, _>>()?))
    }

    /// The scopes of a request or a token; what is no scope here is left out.
    pub fn parse(scopes: &str) -> Self {
        Self(scopes.split(' ').filter_map(Scope::parse).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of `asked` that are within these.
    pub fn grant(&self, asked: &Self) -> Self {
        let within = |asked: &&Scope| self.0.iter().any(|mine| mine.covers(asked));
        Self(asked.0.iter().filter(within).cloned().collect())
    }

    /// Whether something may be done with resources of a type.
    pub fn permit(&self, resource: &str, permission: Permission) -> bool {
        self.0.iter().any(|scope| {
            let may = match permission {
                Permission::Read => scope.read,
                Permission::Search => scope.search,
                Permission::Write => false,
            };
            may && (scope.resource == "*" || scope.resource == resource)
        })
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, scope) in self.0.iter().enumerate() {
            let space = if n == 0 { "" } else { " " };
            let (r, s) = (if scope.read { "r" } else { "" }, if scope.search { "s" } else { "" });
            write!(f, "{space}system/{}.{r}{s}", scope.resource)?;
        }
        Ok(())
    }
}

impl Scope {
    /// One of version 2, or of version 1 (`.read`), as far as it can be granted here.
    fn parse(scope: &str) -> Option<Self> {
        let (resource, permissions) = scope.strip_prefix("system/")?.split_once('.')?;
        if !RESOURCES.contains(&resource) {
            return None;
        }
        let (read, search) = match permissions {
            "read" | "rs" => (true, true),
            "r" => (true, false),
            "s" => (false, true),
            // Whatever more is asked for is not there: of it nothing is granted.
            _ => return None,
        };
        Some(Self { resource: resource.to_owned(), read, search })
    }

    fn covers(&self, asked: &Self) -> bool {
        (self.resource == "*" || self.resource == asked.resource)
            && (self.read || !asked.read)
            && (self.search || !asked.search)
    }
}

fn unknown(scope: &str) -> String {
    let known = Scopes::SUPPORTED.join(", ");
    format!("{scope:?} is no scope that systems can have here: {known}")
}

const RESOURCES: [&str; 5] = ["*", "DocumentReference", "List", "Binary", "Patient"];

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
        for none in ["user/Patient.rs", "system/Patient.rs?gender=f", "system/Patient.sr", "", "x"]
        {
            assert_eq!(granted(all, none), "", "{none}");
        }
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
    }

    #[test]
    fn what_is_supported_can_be_configured() {
        let all = Scopes::SUPPORTED.map(str::to_owned);

        assert_eq!(Scopes::parse_all(&all).unwrap().to_string(), all.join(" "));
        assert!(Scopes::parse_all(&["system/Consent.c".to_owned()]).is_err());
    }
}
