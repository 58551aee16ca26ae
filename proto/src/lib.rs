//! The contracts between services and with partner agencies, generated from `backstop/**/*.proto`.

/// Encoded `FileDescriptorSet` of all contracts, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

macro_rules! package {
    ($(#[$meta:meta])* $module:ident, $name:literal) => {
        $(#[$meta])*
        pub mod $module {
            #[allow(clippy::all, clippy::pedantic, missing_docs, reason = "generated code")]
            pub mod v1 {
                include!(concat!(env!("OUT_DIR"), "/", $name, ".rs"));
            }
        }
    };
}

package!(
    /// Values that several services exchange.
    r#type, "backstop.r#type.v1");
package!(
    /// The feed of one service.
    feed, "backstop.feed.v1");
package!(
    /// Who saw and did what, of one service.
    access, "backstop.access.v1");
package!(
    /// The registry of divisions, households and persons.
    households, "backstop.households.v1");
package!(
    /// Leads, cases and their procedure.
    workflow, "backstop.workflow.v1");
package!(
    /// Department alerts and the asset comparison.
    comparison, "backstop.comparison.v1");
package!(
    /// Responsible persons, plans, measures and monthly monitoring.
    measures, "backstop.measures.v1");
