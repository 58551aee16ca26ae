//! Which role may call which RPC. Rows are another matter: the scope decides, in SQL.

use chassis::{
    auth::{Access, Caller},
    error::Error,
};
use kernel::{Principal, Role};

/// Everybody who acts on households or looks after those who do.
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

/// Divisions, lines and places say nothing of anybody.
const VIEWERS: &[Role] = &[
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
    Role::SystemAdmin,
    Role::Service,
];

/// Those who keep the registry.
const EDITORS: &[Role] = &[
    Role::GridWorker,
    Role::VillageCadre,
    Role::FirstSecretary,
    Role::TownshipOffice,
    Role::CountyOfficer,
];

/// Those who visit: they learn what a household lives on.
const VISITORS: &[Role] = &[
    Role::GridWorker,
    Role::VillageCadre,
    Role::FirstSecretary,
    Role::ResponsiblePerson,
    Role::TownshipOffice,
    Role::CountyOfficer,
];

/// Those who bring sheets of the national system.
const IMPORTERS: &[Role] = &[
    Role::VillageCadre,
    Role::TownshipOffice,
    Role::CountyOfficer,
];

const CONFIGURERS: &[Role] = &[Role::CountyOfficer, Role::SystemAdmin];

const PLACE_KEEPERS: &[Role] = &[
    Role::VillageCadre,
    Role::FirstSecretary,
    Role::TownshipOffice,
    Role::CountyOfficer,
    Role::SystemAdmin,
];

/// Those who set the platform up: what they seal again they do not see.
const ADMINISTRATORS: &[Role] = &[Role::SystemAdmin];

/// Those who look at papers that others have taken in (CMP-10).
const CHECKERS: &[Role] = &[Role::TownshipOffice, Role::CountyOfficer];

const SERVICES: &[Role] = &[Role::Service];

/// Every RPC of the service.
pub const ACCESS: Access = &[
    ("ListDivisions", VIEWERS),
    ("PutDivision", CONFIGURERS),
    ("MergeDivision", CONFIGURERS),
    ("ListNoticePlaces", VIEWERS),
    ("PutNoticePlace", PLACE_KEEPERS),
    ("ListMonitoringLines", VIEWERS),
    ("PutMonitoringLine", CONFIGURERS),
    ("ResealPersonalData", ADMINISTRATORS),
    ("ListHouseholds", READERS),
    ("BatchGetHouseholds", READERS),
    ("BatchListMembers", READERS),
    ("FindHousehold", READERS),
    ("CreateHousehold", EDITORS),
    ("UpdateHousehold", EDITORS),
    ("PutMember", EDITORS),
    ("BatchListRelatives", READERS),
    ("PutRelative", EDITORS),
    ("RecordIncome", VISITORS),
    ("RecordGuarantees", VISITORS),
    ("PutRisks", VISITORS),
    ("BatchAssess", READERS),
    ("ListIncome", READERS),
    ("GrantAuthorisation", EDITORS),
    ("WithdrawAuthorisation", EDITORS),
    ("ListAuthorisations", READERS),
    ("DrawAuthorisations", CHECKERS),
    ("CheckAuthorisation", CHECKERS),
    ("ListHistory", READERS),
    ("ImportSheet", IMPORTERS),
    ("GetImport", IMPORTERS),
    ("GetCaseFacts", READERS),
    ("ListAuthorisedPersons", SERVICES),
    ("LookupPersons", SERVICES),
    ("BatchGetNoticeSubjects", SERVICES),
];

/// Whether the caller's role may call `rpc`.
pub fn check(caller: &Caller, rpc: &str) -> Result<(), Error> {
    caller.check(ACCESS, rpc)
}

/// Who may follow the feed: whoever may read households.
pub fn sees_feed(principal: &Principal, _kind: &str) -> bool {
    READERS.contains(&principal.role)
}
