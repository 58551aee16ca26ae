//! The workflow service on PostgreSQL.

#[path = "workflow/deadlines.rs"]
mod deadlines;
#[path = "workflow/desk.rs"]
mod desk;
#[path = "workflow/input.rs"]
mod input;
#[path = "workflow/leads.rs"]
mod leads;
#[path = "workflow/ledger.rs"]
mod ledger;
#[path = "workflow/life.rs"]
mod life;
#[path = "workflow/meetings.rs"]
mod meetings;
#[path = "workflow/objections.rs"]
mod objections;
#[path = "workflow/papers.rs"]
mod papers;
#[path = "workflow/queues.rs"]
mod queues;
#[path = "workflow/remedies.rs"]
mod remedies;
#[path = "workflow/scope.rs"]
mod scope;
#[path = "workflow/templates.rs"]
mod templates;
#[path = "workflow/whereabouts.rs"]
mod whereabouts;
