//! SQL, by aggregate.

pub mod case;
pub mod contact;
pub mod evidence;
pub mod lead;
pub mod notice_code;
pub mod template;
pub mod text;
pub mod warning_list;
