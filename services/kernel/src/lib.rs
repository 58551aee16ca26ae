//! Pure values that every part of Backstop speaks in: typed ids, division codes, ID numbers,
//! money, months and quarters, roles, scope, and the vocabulary of the procedure.
//!
//! Nothing here does I/O, reads a clock or draws a random number. Values come in, values go out.

#![deny(missing_docs)]

mod calendar;
mod code;
mod division;
mod id;
mod id_number;
mod identity;
mod masked_name;
mod money;
mod refusal;
mod vocabulary;

pub use calendar::{LedgerWindow, Month, Quarter, day_end, day_start, local_date, local_time};
pub use code::{Code, UnknownCode};
pub use division::{DivisionCode, DivisionLevel, InvalidDivisionCode};
pub use id::{
    AlertId, AuthorisationId, BatchId, CaseId, ComparisonId, DeputyId, EvidenceId, HouseholdId,
    LeadId, MeasureId, NoticePlaceId, PersonId, PlanId, RequestId,
};
pub use id_number::{IdNumber, InvalidIdNumber, Sex};
pub use identity::{Department, InvalidDepartment, Principal, Role, Scope};
pub use masked_name::MaskedName;
pub use money::{InvalidMoney, Money};
pub use refusal::{Refusal, Requirement, RuleId};
/// For [`codes!`].
#[doc(hidden)]
pub use serde;
pub use vocabulary::{
    Category, EliminationKind, Guarantee, GuaranteeStatus, ItemKind, LabourCapacity, LeadChannel,
    NoticeKind, NoticePlaceKind, Origin, RiskType, Severity, SubjectClass,
};
