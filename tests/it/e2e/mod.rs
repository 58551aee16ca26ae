//! User stories, through GraphQL only.

mod bad_input;
mod batching;
mod evidence;
mod ledger;
mod personal_data;
mod scenario_01_shock;
mod scenario_02_below_the_line;
mod scenario_04_half_a_year;
mod scenario_05_no_labour;
mod scenario_06_fifteen;
mod scenario_07_notice_removed;
mod scenario_08_notice_places;
mod scenario_10_grandmother;
mod scenario_16_relapse;
mod scope;
mod subscription;
mod templates;
mod trace;
