//! V19: extra metadata is kept when its names are URNs of the sender's own. Other names are either a
//! slip or of IHE's, and mean nothing here: they are left out, and the sender is told.

use carerecord_model::{
    ErrorCode, ExtraMetadata, ObjectId, RegistryError, RegistryErrors, Submission,
};

/// Leaves out what is not extra metadata; a warning for each name.
pub(super) fn leave_out_unnamed(s: &mut Submission) -> RegistryErrors {
    let mut warnings = RegistryErrors::new();
    let set = &mut s.submission_set;
    clean(&set.entry_uuid, &mut set.extra, &[], &mut warnings);
    for e in &mut s.document_entries {
        clean(&e.entry_uuid, &mut e.extra, &[], &mut warnings);
    }
    for f in &mut s.folders {
        clean(&f.entry_uuid, &mut f.extra, &[], &mut warnings);
    }
    for a in &mut s.associations {
        clean(&a.entry_uuid, &mut a.extra, &OF_UPDATES, &mut warnings);
    }
    warnings
}

fn clean(id: &ObjectId, extra: &mut ExtraMetadata, known: &[&str], warnings: &mut RegistryErrors) {
    let mut keep = |kind: &str, name: &str| {
        let own = name.starts_with("urn:") && !name.starts_with("urn:ihe:");
        let keep = own || known.contains(&name);
        if !keep {
            let what = format!("{id}: {kind} {name} is not kept; its name is no URN of your own");
            warnings.push(RegistryError::warning(ErrorCode::XDSExtraMetadataNotSaved, what));
        }
        keep
    };
    extra.slots.retain(|slot| keep("slot", &slot.name));
    extra.classifications.retain(|c| keep("classification", &c.scheme));
}

/// The slots of the Metadata Update transactions.
const OF_UPDATES: [&str; 4] =
    ["PreviousVersion", "AssociationPropagation", "OriginalStatus", "NewStatus"];
