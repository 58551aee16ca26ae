//! The registry on a real PostgreSQL: what is stored, what is told, who sees it, what goes in.

#[path = "households/authorisation.rs"]
mod authorisation;
#[path = "households/desk.rs"]
mod desk;
#[path = "households/import.rs"]
mod import;
#[path = "households/income.rs"]
mod income;
#[path = "households/input.rs"]
mod input;
#[path = "households/keys.rs"]
mod keys;
#[path = "households/registry.rs"]
mod registry;
#[path = "households/scope.rs"]
mod scope;
