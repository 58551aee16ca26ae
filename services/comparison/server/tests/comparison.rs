//! Alerts and comparisons on a real PostgreSQL and Redis.

#[path = "comparison/alerts.rs"]
mod alerts;
#[path = "comparison/columns.rs"]
mod columns;
#[path = "comparison/compare.rs"]
mod compare;
#[path = "comparison/correction.rs"]
mod correction;
#[path = "comparison/desk.rs"]
mod desk;
#[path = "comparison/feed.rs"]
mod feed;
#[path = "comparison/queries.rs"]
mod queries;
#[path = "comparison/recheck.rs"]
mod recheck;
#[path = "comparison/reuse.rs"]
mod reuse;
#[path = "comparison/rules.rs"]
mod rules;
#[path = "comparison/whereabouts.rs"]
mod whereabouts;
