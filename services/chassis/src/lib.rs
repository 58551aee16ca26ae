//! What every process of Backstop needs, with no word of the domain. One concern a file.

#![deny(missing_docs)]

pub mod access_log;
pub mod access_server;
pub mod auth;
pub mod bucket;
pub mod client;
pub mod clock;
pub mod config;
pub mod csv_rows;
pub mod cursor;
pub mod decode;
pub mod doctor;
pub mod error;
pub mod evidence;
pub mod feed;
pub mod feed_server;
pub mod health;
pub mod ledger;
pub mod lifecycle;
pub mod merkle;
pub mod pg;
pub mod probe;
pub mod process;
pub mod secret;
pub mod server;
pub mod startup;
pub mod subscription;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tlog;
pub mod tls;
pub mod upload;
pub mod verification;
pub mod whereabouts;
