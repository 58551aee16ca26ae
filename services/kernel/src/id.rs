//! Typed ids. One registry, so that a household's id can't be given where a case's is meant.

use std::{fmt, str::FromStr};

use uuid::Uuid;

macro_rules! ids {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> { text.parse().map(Self) }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self { Self(id) }
        }
    )+};
}

ids! {
    /// A household in the registry.
    HouseholdId,
    /// A natural person in the registry.
    PersonId,
    /// A query authorisation given by one person (S18).
    AuthorisationId,
    /// A place where notices hang (S30).
    NoticePlaceId,
    /// A lead (线索).
    LeadId,
    /// A case: one household's way through the procedure.
    CaseId,
    /// One comparison of a household against the nine items (S34).
    ComparisonId,
    /// A department's alert.
    AlertId,
    /// A batch of rows taken in: a sheet, a department file.
    BatchId,
    /// An assistance plan.
    PlanId,
    /// A measure within a plan.
    MeasureId,
    /// A piece of evidence: a photo, a scan, a signature.
    EvidenceId,
    /// An appointment as a deputy.
    DeputyId,
    /// The client's idempotency key.
    RequestId,
}
