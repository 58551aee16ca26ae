//! What the service learns from the feeds of others.

mod comparison;

pub use comparison::Comparisons;
