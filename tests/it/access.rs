//! Every RPC has its row in an access table, and so every field of the schema, each of which is one.

use chassis::auth::Access;
use kernel::Role;
use prost::Message as _;
use prost_types::FileDescriptorSet;

const TABLES: [(&str, Access); 4] = [
    ("HouseholdsService", households::access::ACCESS),
    ("WorkflowService", workflow::access::ACCESS),
    ("ComparisonService", comparison::access::ACCESS),
    ("MeasuresService", measures::access::ACCESS),
];

#[test]
fn the_tables_name_every_rpc_of_the_contracts_and_no_other() {
    let descriptors = FileDescriptorSet::decode(proto::DESCRIPTORS).expect("descriptors");
    for (service, table) in TABLES {
        let services = descriptors.file.iter().flat_map(|file| &file.service);
        let own = services.filter(|found| found.name() == service);
        let rpcs: Vec<&str> = own
            .flat_map(|found| found.method.iter().map(|method| method.name()))
            .collect();
        let table: Vec<&str> = table.iter().map(|(rpc, _)| *rpc).collect();
        assert!(!rpcs.is_empty(), "{service}");
        assert_eq!(table, rpcs, "{service}");
    }
}

#[test]
fn nobody_writes_who_only_looks() {
    let reads = ["List", "Batch", "Find", "Get", "Lookup", "Subscribe"];
    // An audit is one of the channels by which leads come.
    let all = TABLES.iter().flat_map(|(_, table)| table.iter());
    for (rpc, roles) in all.filter(|(rpc, _)| *rpc != "SubmitLead") {
        let writes = !reads.iter().any(|verb| rpc.starts_with(verb));
        for role in [Role::Auditor, Role::DisciplineInspection] {
            assert!(!(writes && roles.contains(&role)), "{rpc} {role}");
        }
    }
}

#[test]
fn somebody_may_call_each() {
    for (rpc, roles) in TABLES.iter().flat_map(|(_, table)| table.iter()) {
        assert!(!roles.is_empty(), "{rpc}");
    }
}
