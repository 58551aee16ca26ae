//! Feeds that the service follows.

mod workflow;

pub use workflow::Cases;
