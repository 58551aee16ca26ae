//! Which role may call which RPC. Rows are another matter: the scope decides, in SQL.

use chassis::{
    auth::{Access, Caller},
    error::Error,
};
use kernel::{Principal, Role};

/// Those who look after households and those who look after them.
const READERS: &[Role] = &[
    Role::GridWorker,
    Role::VillageCadre,
    Role::FirstSecretary,
    Role::ResponsiblePerson,
    Role::TownshipOffice,
    Role::TownshipLeader,
    Role::CountyOfficer,
    Role::CountyApprover,
    Role::Auditor,
    Role::DisciplineInspection,
    Role::Service,
];

/// The same and the departments, each of its own alerts.
const ALERTED: &[Role] = &[
    Role::GridWorker,
    Role::VillageCadre,
    Role::FirstSecretary,
    Role::ResponsiblePerson,
    Role::TownshipOffice,
    Role::TownshipLeader,
    Role::DepartmentLiaison,
    Role::CountyOfficer,
    Role::CountyApprover,
    Role::Auditor,
    Role::DisciplineInspection,
    Role::Service,
];

const SENDERS: &[Role] = &[Role::DepartmentLiaison, Role::CountyOfficer];

const RULE_READERS: &[Role] = &[
    Role::TownshipOffice,
    Role::DepartmentLiaison,
    Role::CountyOfficer,
    Role::CountyApprover,
    Role::Auditor,
    Role::DisciplineInspection,
    Role::SystemAdmin,
];

const RULE_KEEPERS: &[Role] = &[Role::CountyOfficer, Role::SystemAdmin];

const OPENERS: &[Role] = &[Role::TownshipOffice, Role::CountyOfficer];

/// The gateway asks in its own name, for anybody.
const KEY_READERS: &[Role] = &[Role::Service];

/// Those who carry what the household says.
const ANSWERERS: &[Role] = &[
    Role::VillageCadre,
    Role::FirstSecretary,
    Role::TownshipOffice,
    Role::CountyOfficer,
];

const DECIDERS: &[Role] = &[Role::CountyOfficer];

/// Every RPC of the service.
pub const ACCESS: Access = &[
    ("SubmitAlertBatch", SENDERS),
    ("GetBatch", SENDERS),
    ("ListAlerts", ALERTED),
    ("SubscribeAlerts", ALERTED),
    ("BatchGetAlerts", ALERTED),
    ("ListAlertRules", RULE_READERS),
    ("PutAlertRule", RULE_KEEPERS),
    ("ListComparisonRules", RULE_READERS),
    ("PutComparisonRule", RULE_KEEPERS),
    ("StartComparison", OPENERS),
    ("SubmitItemFile", SENDERS),
    ("CreateRequestFile", SENDERS),
    ("SubmitResultFile", SENDERS),
    ("GetQueryKeys", KEY_READERS),
    ("ReuseCheck", DECIDERS),
    ("BatchGetComparisons", READERS),
    ("AnswerHit", ANSWERERS),
    ("DecideHit", DECIDERS),
    ("GetCaseFacts", READERS),
    ("ListOpenHits", READERS),
    ("CorrectBatch", SENDERS),
    ("ListReconsiderations", READERS),
    ("CloseReconsideration", DECIDERS),
];

/// Whether the caller's role may call `rpc`.
pub fn check(caller: &Caller, rpc: &str) -> Result<(), Error> {
    caller.check(ACCESS, rpc)
}

/// Who may follow the feed: departments their alerts, and whoever may read comparisons everything.
pub fn sees_feed(principal: &Principal, kind: &str) -> bool {
    match kind {
        crate::item::ALERT_RAISED | crate::item::ALERT_MOVED => ALERTED.contains(&principal.role),
        _ => READERS.contains(&principal.role),
    }
}
