//! Which role may call which RPC. Rows are another matter: the scope decides, in SQL.

use chassis::{auth::Caller, error::Error};
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
pub const ACCESS: &[(&str, &[Role])] = &[
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
    let allowed = ACCESS
        .iter()
        .any(|(name, roles)| *name == rpc && roles.contains(&caller.principal.role));
    if allowed {
        Ok(())
    } else {
        Err(Error::PermissionDenied)
    }
}

/// Who may follow the feed: whoever may read plans.
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
        let service = services.filter(|service| service.name() == "MeasuresService");
        let rpcs: Vec<&str> = service
            .flat_map(|service| service.method.iter().map(|method| method.name()))
            .collect();
        let table: Vec<&str> = ACCESS.iter().map(|(rpc, _)| *rpc).collect();
        assert_eq!(table, rpcs);
    }
}
