//! Plans on a real PostgreSQL: what may be called, what is stored, what is told, who sees it.

#[path = "measures/desk.rs"]
mod desk;
#[path = "measures/follow.rs"]
mod follow;
#[path = "measures/input.rs"]
mod input;
#[path = "measures/life.rs"]
mod life;
#[path = "measures/monitoring.rs"]
mod monitoring;
#[path = "measures/scope.rs"]
mod scope;
#[path = "measures/whereabouts.rs"]
mod whereabouts;
