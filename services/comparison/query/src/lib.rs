//! Questions that a county asks of a department, and what the department answers, when neither sees the
//! other's database (CMP-4, CMP-5, CMP-8).
//!
//! A question is a row of a request file with a token: who may be asked about, which item, for which case,
//! until when, signed by the county ([`token`]). A department checks it without asking anybody
//! ([`request`]), looks up in its own register and writes a result file that tells as much as the item's
//! form lets ([`department`]). `backstop-department` is that as a command.
#![warn(missing_docs)]

pub mod department;
pub mod register;
pub mod request;
pub mod token;
