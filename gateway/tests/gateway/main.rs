//! The gateway by itself: its schema, and what it does with requests before any service is asked.

mod http;
mod schema;
mod server;
mod socket;
