//! Public notices on the wire (PUB-1).

use chassis::decode::codes;
use kernel::DivisionCode;
use proto::workflow::v1 as wire;
use workflow_core::{Entry, PublicNotice};

use super::day;

/// A notice of a village.
pub fn to_proto(division: &DivisionCode, notice: &PublicNotice) -> wire::PublicNotice {
    let entries = notice.entries.iter().zip(1..);
    wire::PublicNotice {
        kind: codes::notice_kind_to_proto(notice.kind),
        division_code: division.to_string(),
        village_name: notice.village.to_string(),
        township_name: notice.township.to_string(),
        title: notice.title().to_owned(),
        introduction: notice.introduction().to_owned(),
        entries: entries
            .map(|(entry, number)| self::entry(entry, number))
            .collect(),
        place_names: notice.places.iter().map(ToString::to_string).collect(),
        paragraphs: notice.paragraphs(),
        printed_on: notice.printed.to_string(),
    }
}

fn entry(entry: &Entry, number: i32) -> wire::PublicNoticeEntry {
    let (from, until) = entry.hangs.unzip();
    wire::PublicNoticeEntry {
        number,
        notice_code: entry.code.to_string(),
        masked_name: entry.name.to_string(),
        group_name: entry.group.to_string(),
        category_name: entry.category.to_string(),
        reason: entry.reason(),
        clock_started_on: day(from),
        closable_on: day(until),
        notice_days: i32::try_from(entry.days).unwrap_or(i32::MAX),
    }
}
