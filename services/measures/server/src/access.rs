//! Which role may call which RPC. Rows are another matter: the scope decides, in SQL.

use chassis::{
    auth::{Access, Caller},
    error::Error,
};
use kernel::{Principal, Role};

/// Everybody who acts on a case or looks after those who do.
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

/// Those who help the household.
const HELPERS: &[Role] = &[
    Role::GridWorker,
    Role::VillageCadre,
    Role::FirstSecretary,
    Role::ResponsiblePerson,
    Role::TownshipOffice,
    Role::CountyOfficer,
];

/// Those who decide who helps, and with what.
const PLANNERS: &[Role] = &[
    Role::VillageCadre,
    Role::FirstSecretary,
    Role::ResponsiblePerson,
    Role::TownshipOffice,
    Role::TownshipLeader,
    Role::CountyOfficer,
];

/// Nobody hands over to himself: the responsible person does not name the next one.
const APPOINTERS: &[Role] = &[
    Role::VillageCadre,
    Role::FirstSecretary,
    Role::TownshipOffice,
    Role::TownshipLeader,
    Role::CountyOfficer,
];

/// Every RPC of the service.
pub const ACCESS: Access = &[
    ("AssignResponsible", APPOINTERS),
    ("PlanMeasure", PLANNERS),
    ("RecordDelivery", HELPERS),
    ("CloseRisk", PLANNERS),
    ("RecordMonitoring", HELPERS),
    ("BatchGetPlans", READERS),
    ("ListMonitoringDue", READERS),
    ("GetCaseFacts", READERS),
];

/// Whether the caller's role may call `rpc`.
pub fn check(caller: &Caller, rpc: &str) -> Result<(), Error> {
    caller.check(ACCESS, rpc)
}

/// Who may follow the feed: whoever may read plans.
pub fn sees_feed(principal: &Principal, _kind: &str) -> bool {
    READERS.contains(&principal.role)
}
