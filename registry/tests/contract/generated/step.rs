use carerecord_model::AssociationType;
use proptest::prelude::*;
use proptest::sample::Index;

/// One request; what it refers to is picked among what is registered when it is made.
#[derive(Clone, Debug)]
pub enum Step {
    /// ITI-42 or ITI-61 of new documents, perhaps in a new folder.
    Register { other: bool, documents: usize, folder: bool, on_demand: bool },
    /// ITI-42 of a document that relates to a registered one.
    Relate { kind: AssociationType, target: Index, wrong_patient: bool },
    /// ITI-42 that puts a document, new or registered, into a registered folder.
    AddToFolder { folder: Index, registered: Option<Index> },
    /// ITI-42 of a set that refers to a registered document.
    Refer { target: Index, other: bool },
    /// ITI-57 or ITI-92 of an entry.
    Version { of: Index, restricted: bool, propagate: bool, moves: bool },
    /// ITI-57 of a folder.
    FolderVersion { of: Index },
    /// ITI-57 of the status of an entry, folder or association.
    Status { of: Index },
    /// ITI-57 of an association between registered objects.
    Submit { kind: AssociationType, source: Index, target: Index },
    /// ITI-62 of an entry with all that hangs on it.
    Remove { of: Index },
    /// The request before, again.
    Repeat,
}

impl Step {
    /// How many kinds of step there are.
    pub const KINDS: usize = 10;

    /// The number of its kind.
    pub fn kind(&self) -> usize {
        match self {
            Self::Register { .. } => 0,
            Self::Relate { .. } => 1,
            Self::AddToFolder { .. } => 2,
            Self::Refer { .. } => 3,
            Self::Version { .. } => 4,
            Self::FolderVersion { .. } => 5,
            Self::Status { .. } => 6,
            Self::Submit { .. } => 7,
            Self::Remove { .. } => 8,
            Self::Repeat => 9,
        }
    }
}

pub fn steps() -> impl Strategy<Value = Step> {
    let index = any::<Index>;
    let seldom = || prop::bool::weighted(0.15);
    let register = (seldom(), 0..3_usize, any::<bool>(), seldom()).prop_map(
        |(other, documents, folder, on_demand)| Step::Register {
            other,
            documents,
            folder,
            on_demand,
        },
    );
    let relate = (relationship(), index(), seldom())
        .prop_map(|(kind, target, wrong_patient)| Step::Relate { kind, target, wrong_patient });
    let add = (index(), prop::option::of(index()))
        .prop_map(|(folder, registered)| Step::AddToFolder { folder, registered });
    let refer = (index(), seldom()).prop_map(|(target, other)| Step::Refer { target, other });
    let version = (index(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(of, restricted, propagate, moves)| Step::Version { of, restricted, propagate, moves },
    );
    let submitted = prop_oneof![Just(AssociationType::HasMember), relationship()];
    let submit = (submitted, index(), index()).prop_map(|(kind, source, target)| Step::Submit {
        kind,
        source,
        target,
    });
    prop_oneof![
        4 => register,
        5 => relate,
        3 => add,
        1 => refer,
        4 => version,
        2 => index().prop_map(|of| Step::FolderVersion { of }),
        3 => index().prop_map(|of| Step::Status { of }),
        3 => submit,
        2 => index().prop_map(|of| Step::Remove { of }),
        1 => Just(Step::Repeat),
    ]
}

fn relationship() -> impl Strategy<Value = AssociationType> {
    prop_oneof![
        3 => Just(AssociationType::Replace),
        1 => Just(AssociationType::TransformAndReplace),
        2 => Just(AssociationType::Append),
        2 => Just(AssociationType::Transform),
        1 => Just(AssociationType::Signs),
        1 => Just(AssociationType::IsSnapshotOf),
    ]
}
