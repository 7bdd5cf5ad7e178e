use std::str::FromStr;

use carerecord_model::{
    AvailabilityStatus, CodeFilter, ContentFilter, DocumentEntryType, Dtm, DtmRange, EntryRef,
    ErrorCode, MetadataLevel, PatientId, Scope, Slot, TransactionError,
};

/// The slots of a query, read by the coding rules. ITI TF-2: 3.18.4.1.2.3.5.
pub(super) struct Parameters<'a> {
    pub(super) slots: &'a [Slot],
}

impl Parameters<'_> {
    /// Each slot of a name with all its values merged: OR inside, AND between.
    pub(super) fn groups(&self, name: &str) -> Result<Vec<Vec<String>>, TransactionError> {
        self.slots
            .iter()
            .filter(|s| s.name == name)
            .map(|slot| {
                let mut all = Vec::new();
                for value in &slot.values {
                    all.extend(tokenize(value).ok_or_else(|| malformed(name))?);
                }
                Ok(all)
            })
            .collect()
    }

    pub(super) fn list(&self, name: &str) -> Result<Vec<String>, TransactionError> {
        Ok(self.groups(name)?.concat())
    }

    pub(super) fn one(&self, name: &str) -> Result<Option<String>, TransactionError> {
        let mut all = self.list(name)?;
        if all.len() > 1 {
            let what = format!("{name} takes one value");
            return Err(TransactionError::one(ErrorCode::XDSStoredQueryParamNumber, what));
        }
        Ok(all.pop())
    }

    pub(super) fn required(&self, name: &str) -> Result<PatientId, TransactionError> {
        let value = self.one(name)?.ok_or_else(|| missing(name))?;
        parse_one(name, &value)
    }

    pub(super) fn statuses(&self, name: &str) -> Result<Vec<AvailabilityStatus>, TransactionError> {
        let all: Vec<_> = self
            .list(name)?
            .iter()
            .filter_map(|s| AvailabilityStatus::from_urn(&lenient_status(s)))
            .collect();
        if all.is_empty() { Err(missing(name)) } else { Ok(all) }
    }

    pub(super) fn types(&self) -> Result<Vec<DocumentEntryType>, TransactionError> {
        let name = "$XDSDocumentEntryType";
        let all = self.list(name)?;
        let parse = |t: &String| DocumentEntryType::from_urn(t).ok_or_else(|| malformed(name));
        all.iter().map(parse).collect()
    }

    pub(super) fn codes(&self, name: &str) -> Result<CodeFilter, TransactionError> {
        let mut groups = Vec::new();
        for group in self.groups(name)? {
            let mut codes = Vec::new();
            for code in group {
                let parts: Vec<&str> = code.split("^^").collect();
                match parts.as_slice() {
                    [code, scheme] if !code.is_empty() && !scheme.is_empty() => {
                        codes.push(((*code).to_owned(), (*scheme).to_owned()));
                    }
                    _ => {
                        let what = format!("{name}: a code is not of the form code^^scheme");
                        return Err(TransactionError::one(ErrorCode::XDSRegistryError, what));
                    }
                }
            }
            groups.push(codes);
        }
        Ok(CodeFilter(groups))
    }

    /// A repeated slot is AND only for attributes with many values; for others it is one list.
    pub(super) fn any_code(&self, name: &str) -> Result<CodeFilter, TransactionError> {
        let groups = self.codes(name)?.0.concat();
        Ok(CodeFilter(if groups.is_empty() { Vec::new() } else { vec![groups] }))
    }

    pub(super) fn patients(&self, name: &str) -> Result<Vec<PatientId>, TransactionError> {
        parse_all(name, &self.list(name)?)
    }

    pub(super) fn level(&self) -> Result<MetadataLevel, TransactionError> {
        match self.one("$MetadataLevel")?.as_deref() {
            None | Some("1") => Ok(MetadataLevel::One),
            Some("2") => Ok(MetadataLevel::Two),
            Some(_) => Err(malformed("$MetadataLevel")),
        }
    }

    pub(super) fn scope(&self) -> Result<Scope, TransactionError> {
        let name = "$XDSAssociationStatus";
        let asked = !self.list(name)?.is_empty();
        let association_status = if asked { self.statuses(name)? } else { Vec::new() };
        Ok(Scope { level: self.level()?, association_status })
    }

    pub(super) fn online(&self) -> Result<Option<bool>, TransactionError> {
        let asked = self.list("$XDSDocumentEntryDocumentAvailability")?;
        let offline = |a: &String| a.ends_with(":Offline");
        Ok(match (asked.iter().any(offline), asked.iter().any(|a| !offline(a))) {
            (true, false) => Some(false),
            (false, true) => Some(true),
            (true, true) | (false, false) => None,
        })
    }

    pub(super) fn content(&self) -> Result<ContentFilter, TransactionError> {
        Ok(ContentFilter {
            entry_types: self.types()?,
            format_code: self.any_code("$XDSDocumentEntryFormatCode")?,
            confidentiality_codes: self.codes("$XDSDocumentEntryConfidentialityCode")?,
        })
    }

    /// Exactly one of the parameters by which objects are named.
    pub(super) fn objects(
        &self,
        names: &[&str],
        single: bool,
    ) -> Result<EntryRef, TransactionError> {
        let given: Vec<&str> = names
            .iter()
            .copied()
            .filter(|name| self.slots.iter().any(|s| s.name == *name && !s.values.is_empty()))
            .collect();
        let number =
            |what: String| TransactionError::one(ErrorCode::XDSStoredQueryParamNumber, what);
        let name = match given.as_slice() {
            [] => return Err(missing(&names.join(" or "))),
            [name] => *name,
            _ => return Err(number(format!("{} exclude each other", given.join(" and ")))),
        };
        let values = self.list(name)?;
        if values.is_empty() {
            return Err(missing(name));
        }
        if single && values.len() > 1 {
            return Err(number(format!("{name} takes one value")));
        }
        if name.ends_with("UniqueId") {
            return Ok(EntryRef::UniqueIds(parse_all(name, &values)?));
        }
        if name.ends_with("LogicalID") {
            return Ok(EntryRef::LogicalIds(parse_all(name, &values)?));
        }
        Ok(EntryRef::Uuids(parse_all(name, &values)?))
    }

    pub(super) fn range(&self, name: &str) -> Result<DtmRange, TransactionError> {
        let bound = |end: &str| -> Result<Option<Dtm>, TransactionError> {
            let name = format!("{name}{end}");
            self.one(&name)?.map(|v| parse_one(&name, &v)).transpose()
        };
        Ok(DtmRange { from: bound("From")?, to: bound("To")? })
    }
}

/// Takes a value apart: `'a'`, `2004`, `('a','b')`. Doubled quotes stand for one. Parentheses and
/// quotes that are missing are forgiven. `None` when quotes or parentheses do not close.
pub(super) fn tokenize(value: &str) -> Option<Vec<String>> {
    let mut rest = value.trim();
    let list = rest.strip_prefix('(');
    if let Some(inner) = list {
        rest = inner.strip_suffix(')')?.trim();
    }
    let mut tokens = Vec::new();
    loop {
        let (token, after) = take_token(rest)?;
        tokens.push(token);
        rest = after.trim_start();
        match rest.strip_prefix(',') {
            Some(more) => rest = more.trim_start(),
            None if rest.is_empty() => return Some(tokens),
            None => return None,
        }
    }
}

fn take_token(text: &str) -> Option<(String, &str)> {
    let Some(mut rest) = text.strip_prefix('\'') else {
        let end = text.find(',').unwrap_or(text.len());
        let token = text[..end].trim().trim_matches('"');
        return (!token.is_empty()).then(|| (token.to_owned(), &text[end..]));
    };
    let mut token = String::new();
    loop {
        let at = rest.find('\'')?;
        token.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.strip_prefix('\'') {
            Some(more) => {
                token.push('\'');
                rest = more;
            }
            None => return Some((token.trim().to_owned(), rest)),
        }
    }
}

/// The standard's own samples have the wrong URN.
fn lenient_status(urn: &str) -> String {
    urn.replace(":ResponseStatusType:", ":StatusType:")
}

pub(super) fn parse_one<T: FromStr>(name: &str, value: &str) -> Result<T, TransactionError> {
    value.parse().map_err(|_| malformed(name))
}

pub(super) fn parse_all<T: FromStr>(
    name: &str,
    values: &[String],
) -> Result<Vec<T>, TransactionError> {
    values.iter().map(|v| parse_one(name, v)).collect()
}

pub(super) fn malformed(name: &str) -> TransactionError {
    TransactionError::one(ErrorCode::XDSRegistryError, format!("{name} is malformed"))
}

pub(super) fn missing(name: &str) -> TransactionError {
    let what = format!("{name} is required");
    TransactionError::one(ErrorCode::XDSStoredQueryMissingParam, what)
}
