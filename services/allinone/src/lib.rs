//! The binary `backstop`: a launcher that starts every service and the gateway in one process, and
//! the operator's commands.
//!
//! The services do not know of it. It writes their configuration, gives them sockets and a runtime,
//! and speaks to them as anybody would: over the network, with a token.

mod check;
pub mod cli;
mod clock;
mod control;
mod county;
mod county_data;
pub mod databases;
mod doctor;
pub mod folder;
mod import;
pub mod issuer;
mod migrate;
pub mod platform;
mod screen;
mod seal;
mod turnstile;
mod up;
mod verify;
mod walkthrough;
mod witness;
