//! Which role may call which RPC. Rows are another matter: the scope decides, in SQL. Which role may
//! make which move of a case is the template's.

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

/// Everybody to whom the procedure gives a move.
const ACTORS: &[Role] = &[
    Role::GridWorker,
    Role::VillageCadre,
    Role::FirstSecretary,
    Role::ResponsiblePerson,
    Role::TownshipOffice,
    Role::TownshipLeader,
    Role::CountyOfficer,
    Role::CountyApprover,
];

/// Whoever sees a household in need may say so (S15).
const FINDERS: &[Role] = &[
    Role::Farmer,
    Role::GridWorker,
    Role::VillageCadre,
    Role::FirstSecretary,
    Role::ResponsiblePerson,
    Role::TownshipOffice,
    Role::TownshipLeader,
    Role::CountyOfficer,
    Role::Auditor,
    Role::DisciplineInspection,
];

/// Those who look after leads.
const LEAD_KEEPERS: &[Role] = &[
    Role::GridWorker,
    Role::VillageCadre,
    Role::FirstSecretary,
    Role::TownshipOffice,
    Role::CountyOfficer,
];

/// Those who declare: the farmer, or the village in the farmer's name (S17, S20).
const DECLARERS: &[Role] = &[
    Role::Farmer,
    Role::GridWorker,
    Role::VillageCadre,
    Role::FirstSecretary,
    Role::TownshipOffice,
];

/// Those who act or look after those who do; papers name people, so no auditor of numbers.
const PAPER_READERS: &[Role] = &[
    Role::GridWorker,
    Role::VillageCadre,
    Role::FirstSecretary,
    Role::ResponsiblePerson,
    Role::TownshipOffice,
    Role::TownshipLeader,
    Role::CountyOfficer,
    Role::CountyApprover,
    Role::DisciplineInspection,
];

/// Those who keep the village's warning list (T4).
const VILLAGE: &[Role] = &[Role::VillageCadre, Role::FirstSecretary];

/// Who passes on what comes without an account.
const DOORS: &[Role] = &[Role::Service];

/// Those who set the platform up; what they load is checked, and they decide nothing by it.
const ADMINISTRATORS: &[Role] = &[Role::SystemAdmin];

/// Those who see to it that work goes on when somebody leaves (ORG-4).
pub const LEADERS: &[Role] = &[
    Role::TownshipLeader,
    Role::CountyOfficer,
    Role::CountyApprover,
];

/// Those who appoint deputies; whom for, `workflow_core::appointable` says (ORG-4).
const APPOINTERS: &[Role] = &[Role::TownshipLeader, Role::CountyApprover];

/// Whoever follows the procedure, or sets it up.
const TEMPLATE_READERS: &[Role] = &[
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
    Role::SystemAdmin,
];

/// Hashes and signatures are nobody's: whoever has an account may look at them.
const LOG_READERS: &[Role] = &[
    Role::Farmer,
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

/// The gateway, for everybody: the log's files need no account.
const LOG_SERVERS: &[Role] = &[Role::Service];

/// Every RPC of the service.
pub const ACCESS: Access = &[
    ("SubmitLead", FINDERS),
    ("ActOnLead", LEAD_KEEPERS),
    ("ListLeads", READERS),
    ("BatchGetLeads", READERS),
    ("DeclareCase", DECLARERS),
    ("ActOnCase", ACTORS),
    ("ListCases", READERS),
    ("BatchGetCases", READERS),
    ("BatchGetCurrentCases", READERS),
    ("ListCaseEvents", READERS),
    ("ListMoves", READERS),
    ("FreezeWarningList", VILLAGE),
    ("GetWarningList", READERS),
    ("HoldMeeting", ACTORS),
    ("ListMeetings", PAPER_READERS),
    ("GetNotice", READERS),
    ("GetNoticeFile", READERS),
    ("SubmitObjection", DOORS),
    ("ListObjections", PAPER_READERS),
    ("SubmitEvidence", ACTORS),
    ("GetEvidence", PAPER_READERS),
    ("LoadTemplate", ADMINISTRATORS),
    ("ListTemplates", TEMPLATE_READERS),
    ("ListWork", READERS),
    ("ClaimWork", ACTORS),
    ("ReleaseWork", ACTORS),
    ("ListHoldings", ACTORS),
    ("HandOverWork", LEADERS),
    ("AppointDeputy", APPOINTERS),
    ("RevokeDeputy", APPOINTERS),
    ("ListDeputies", READERS),
    ("GetCheckpoint", LOG_READERS),
    ("GetDailySeal", LOG_READERS),
    ("GetTile", LOG_SERVERS),
    ("GetProof", LOG_SERVERS),
    ("AddCosignatures", LOG_SERVERS),
    ("GetEvidenceStatus", LOG_READERS),
    ("GetCaseFile", READERS),
];

/// Whether the caller's role may call `rpc`.
pub fn check(caller: &Caller, rpc: &str) -> Result<(), Error> {
    caller.check(ACCESS, rpc)
}

/// Who may follow the feed: whoever may read cases.
pub fn sees_feed(principal: &Principal, _kind: &str) -> bool {
    READERS.contains(&principal.role)
}
