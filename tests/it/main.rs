//! One test binary: user stories through GraphQL, the launcher, and the rules of the tree.

mod access;
mod allinone;
mod cluster;
mod cost;
mod data_safety;
mod deployment;
mod doctor;
mod e2e;
mod evidence_s3;
mod interruption;
mod machine;
#[expect(dead_code, reason = "what the benches measure as well")]
#[path = "../figures/src/measure.rs"]
mod measure;
mod process;
mod programs;
mod rolling;
mod startup;
mod telemetry;
mod tidy;
