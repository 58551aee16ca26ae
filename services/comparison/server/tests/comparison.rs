//! Alerts and comparisons on a real PostgreSQL and Redis.

#[path = "comparison/alerts.rs"]
mod alerts;
#[path = "comparison/columns.rs"]
mod columns;
#[path = "comparison/compare.rs"]
mod compare;
#[path = "comparison/desk.rs"]
mod desk;
#[path = "comparison/feed.rs"]
mod feed;
