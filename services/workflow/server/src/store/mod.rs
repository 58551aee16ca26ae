//! SQL, by aggregate.

pub mod case;
pub mod contact;
pub mod deputy;
pub mod evidence;
pub mod lead;
pub mod meeting;
pub mod notice_code;
pub mod template;
pub mod text;
pub mod warning_list;
pub mod work;

use chassis::error::Error;
use kernel::DivisionCode;

fn division(table: &'static str, text: &str) -> Result<DivisionCode, Error> {
    let damaged = || Error::Internal(anyhow::anyhow!("workflow.{table}: bad division_code"));
    text.parse().map_err(|_| damaged())
}
