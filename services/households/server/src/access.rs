//! Which role may call which RPC. Rows are another matter: the scope decides, in SQL.

use chassis::{auth::Caller, error::Error};
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

const SERVICES: &[Role] = &[Role::Service];

/// Every RPC of the service.
pub const ACCESS: &[(&str, &[Role])] = &[
    ("ListDivisions", VIEWERS),
    ("PutDivision", CONFIGURERS),
    ("ListNoticePlaces", VIEWERS),
    ("PutNoticePlace", PLACE_KEEPERS),
    ("ListMonitoringLines", VIEWERS),
    ("PutMonitoringLine", CONFIGURERS),
    ("ListHouseholds", READERS),
    ("BatchGetHouseholds", READERS),
    ("BatchListMembers", READERS),
    ("FindHousehold", READERS),
    ("CreateHousehold", EDITORS),
    ("UpdateHousehold", EDITORS),
    ("PutMember", EDITORS),
    ("RecordIncome", VISITORS),
    ("RecordGuarantees", VISITORS),
    ("PutRisks", VISITORS),
    ("BatchAssess", READERS),
    ("ListIncome", READERS),
    ("GrantAuthorisation", EDITORS),
    ("WithdrawAuthorisation", EDITORS),
    ("ListAuthorisations", READERS),
    ("ListHistory", READERS),
    ("ImportSheet", IMPORTERS),
    ("GetImport", IMPORTERS),
    ("GetCaseFacts", READERS),
    ("ListAuthorisedPersons", SERVICES),
    ("LookupPersons", SERVICES),
];

/// Whether the caller's role may call `rpc`.
pub fn check(caller: &Caller, rpc: &str) -> Result<(), Error> {
    let allowed = ACCESS
        .iter()
        .any(|(name, roles)| *name == rpc && roles.contains(&caller.principal.role));
    if allowed {
        Ok(())
    } else {
        Err(Error::PermissionDenied)
    }
}

/// Who may follow the feed: whoever may read households.
pub fn sees_feed(principal: &Principal, _kind: &str) -> bool {
    READERS.contains(&principal.role)
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;

    #[test]
    fn the_table_names_every_rpc_of_the_contract_and_no_other() {
        let descriptors = FileDescriptorSet::decode(proto::DESCRIPTORS).expect("descriptors");
        let services = descriptors.file.iter().flat_map(|file| &file.service);
        let service = services.filter(|service| service.name() == "HouseholdsService");
        let rpcs: Vec<&str> = service
            .flat_map(|service| service.method.iter().map(|method| method.name()))
            .collect();
        let table: Vec<&str> = ACCESS.iter().map(|(rpc, _)| *rpc).collect();
        assert_eq!(table, rpcs);
    }

    #[test]
    fn nobody_writes_who_only_looks() {
        for (rpc, roles) in ACCESS {
            let writes = !["List", "Batch", "Find", "Get", "Lookup"]
                .iter()
                .any(|verb| rpc.starts_with(verb));
            for role in [Role::Auditor, Role::DisciplineInspection, Role::Farmer] {
                assert!(!(writes && roles.contains(&role)), "{rpc} {role}");
            }
        }
    }
}
