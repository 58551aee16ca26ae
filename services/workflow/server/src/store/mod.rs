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
