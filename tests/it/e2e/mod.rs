//! User stories, through GraphQL only.

mod access_log;
mod bad_input;
mod batching;
mod evidence;
mod ledger;
mod personal_data;
mod queues;
mod scenario_01_shock;
mod scenario_02_below_the_line;
mod scenario_03_van;
mod scenario_04_half_a_year;
mod scenario_05_no_labour;
mod scenario_06_fifteen;
mod scenario_07_notice_removed;
mod scenario_08_notice_places;
mod scenario_09_flood;
mod scenario_10_grandmother;
mod scenario_11_merge;
mod scenario_12_objection;
mod scenario_13_august;
mod scenario_15_two_visits;
mod scenario_16_relapse;
mod scope;
mod subscription;
mod templates;
mod trace;
