//! Synthetic counties of any size from a seed: divisions, notice places, households on
//! national-format sheets, and the departments' files. Nobody in them exists: every ID number
//! begins with 999999.
//!
//! [`write`] streams a whole county to disk; [`Story`] is the one household of the walkthrough.

mod county;
mod department;
mod files;
mod name;
mod person;
mod population;
mod sheet;
mod story;

pub use county::{County, Division, LINE_YUAN, MonitoringLine, NoticePlace};
pub use department::{AlertBatch, alert_batches, department_of, item_columns};
pub use files::{AlertFile, Files, ItemFile, write};
pub use person::Person;
pub use population::{Household, Households, Year};
pub use sheet::Form;
pub use story::{Story, StoryFile};
