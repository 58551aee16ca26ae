//! Reading requests: every bad field is collected with its path before anything is done.

use std::{fmt::Display, str::FromStr};

use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use kernel::{Code, IdNumber, InvalidIdNumber, Month};
use prost_types::Timestamp;

use crate::error::{Error, FieldViolation};

/// Collects the violations of one request.
#[derive(Debug, Default)]
pub struct Fields {
    prefix: String,
    violations: Vec<FieldViolation>,
}

/// More violations than this are not worth telling.
const MOST_VIOLATIONS: usize = 100;

impl Fields {
    /// Nothing wrong yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `read` with every path below `path`, e.g. `members[2]`.
    pub fn within<T>(&mut self, path: impl Display, read: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.prefix.len();
        self.prefix.push_str(&format!("{path}."));
        let value = read(self);
        self.prefix.truncate(outer);
        value
    }

    /// Notes a violation.
    pub fn violation(&mut self, field: &str, code: &str, expected: impl Display) {
        if self.violations.len() < MOST_VIOLATIONS {
            self.violations.push(FieldViolation {
                field: format!("{}{field}", self.prefix),
                code: code.to_owned(),
                expected: expected.to_string(),
            });
        }
    }

    /// A required value of a type that reads itself from text.
    pub fn parse<T: FromStr<Err: Display>>(&mut self, field: &str, text: &str) -> Option<T> {
        if text.is_empty() {
            self.violation(field, "REQUIRED", "a value");
            return None;
        }
        // An id or code longer than this is an attack, not a typing error.
        if text.len() > 128 {
            self.violation(field, "TOO_LONG", "at most 128 bytes");
            return None;
        }
        text.parse()
            .map_err(|error: T::Err| self.violation(field, "MALFORMED", error))
            .ok()
    }

    /// The same, where empty means absent.
    pub fn parse_optional<T: FromStr<Err: Display>>(
        &mut self,
        field: &str,
        text: &str,
    ) -> Option<T> {
        if text.is_empty() {
            None
        } else {
            self.parse(field, text)
        }
    }

    /// An ID number (GB 11643), with its own codes.
    pub fn id_number(&mut self, field: &str, text: &str) -> Option<IdNumber> {
        if text.is_empty() {
            self.violation(field, "REQUIRED", "an 18-character ID number");
            return None;
        }
        text.parse()
            .map_err(|error| self.violation(field, id_number_code(error), error))
            .ok()
    }

    /// A required day.
    pub fn date(&mut self, field: &str, text: &str) -> Option<NaiveDate> {
        if text.is_empty() {
            self.violation(field, "REQUIRED", "a date");
            return None;
        }
        let date = (text.len() <= 10).then(|| text.parse().ok()).flatten();
        if date.is_none() {
            self.violation(field, "DATE", "a date such as 2026-08-31");
        }
        date
    }

    /// A required instant.
    pub fn instant(&mut self, field: &str, at: Option<Timestamp>) -> Option<DateTime<Utc>> {
        let Some(at) = at else {
            self.violation(field, "REQUIRED", "an instant");
            return None;
        };
        let nanos = u32::try_from(at.nanos).ok();
        let instant = nanos.and_then(|nanos| DateTime::from_timestamp(at.seconds, nanos));
        // Years of more than four digits have no written form.
        let instant = instant.filter(|at| (0..=9999).contains(&at.year()));
        if instant.is_none() {
            self.violation(
                field,
                "INSTANT",
                "an instant such as 2026-08-31T09:30:00+08:00",
            );
        }
        instant
    }

    /// A required day that has come already.
    pub fn past_date(&mut self, field: &str, text: &str, today: NaiveDate) -> Option<NaiveDate> {
        let date = self.date(field, text)?;
        if date > today {
            self.violation(field, "DATE_IN_FUTURE", format_args!("a day up to {today}"));
            return None;
        }
        Some(date)
    }

    /// A day, where empty means absent.
    pub fn date_optional(&mut self, field: &str, text: &str) -> Option<NaiveDate> {
        if text.is_empty() {
            None
        } else {
            self.date(field, text)
        }
    }

    /// A required calendar month.
    pub fn month(&mut self, field: &str, text: &str) -> Option<Month> {
        let month = (text.len() == 7).then(|| text.parse().ok()).flatten();
        if month.is_none() {
            self.violation(field, "MONTH", "a month such as 2026-08");
        }
        month
    }

    /// A required text of at most `max_chars` characters, trimmed, without control characters.
    pub fn text(&mut self, field: &str, text: &str, max_chars: usize) -> Option<String> {
        let text = self.text_optional(field, text, max_chars)?;
        if text.is_empty() {
            self.violation(field, "REQUIRED", "a text");
            return None;
        }
        Some(text)
    }

    /// The same, where empty is allowed.
    pub fn text_optional(&mut self, field: &str, text: &str, max_chars: usize) -> Option<String> {
        let text = text.trim();
        // Bytes first: counting the characters of a huge text would be work for an attacker.
        if text.len() > max_chars * 4 || text.chars().count() > max_chars {
            self.violation(
                field,
                "TOO_LONG",
                format_args!("at most {max_chars} characters"),
            );
            return None;
        }
        if text.chars().any(|c| c.is_control() && c != '\n') {
            self.violation(
                field,
                "CONTROL_CHARACTER",
                "a text without control characters",
            );
            return None;
        }
        Some(text.to_owned())
    }

    /// An amount in fen that is not negative and not absurd.
    pub fn amount(&mut self, field: &str, fen: i64) -> Option<i64> {
        // Ten billion yuan, as in `kernel::Money`.
        if !(0..=1_000_000_000_000).contains(&fen) {
            self.violation(field, "AMOUNT", "an amount from 0 to 10 000 000 000 yuan");
            return None;
        }
        Some(fen)
    }

    /// SHA-256 in lower-case hex.
    pub fn sha256(&mut self, field: &str, text: &str) -> Option<String> {
        let valid =
            text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !valid {
            self.violation(field, "SHA256", "a SHA-256 in 64 lower-case hex digits");
            return None;
        }
        Some(text.to_owned())
    }

    /// A code that has to be given. `code` comes from [`code_of`].
    pub fn code<C: Code>(&mut self, field: &str, code: Option<C>) -> Option<C> {
        if code.is_none() {
            let expected = C::ALL
                .iter()
                .map(|code| code.as_str())
                .collect::<Vec<_>>()
                .join(", ");
            self.violation(field, "UNKNOWN_CODE", format_args!("one of {expected}"));
        }
        code
    }

    /// At most `most` elements.
    pub fn at_most(&mut self, field: &str, len: usize, most: usize) {
        if len > most {
            self.violation(field, "TOO_MANY", format_args!("at most {most}"));
        }
    }

    /// The bad request, if anything is wrong.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all violations.
    pub fn finish(self) -> Result<(), Error> {
        if self.violations.is_empty() {
            Ok(())
        } else {
            Err(Error::Invalid(self.violations))
        }
    }

    /// `Some` values as the decoded request, else the bad request.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all violations.
    pub fn finish_with<T>(mut self, value: Option<T>) -> Result<T, Error> {
        match value {
            Some(value) if self.violations.is_empty() => Ok(value),
            _ => {
                if self.violations.is_empty() {
                    self.violation("request", "REQUIRED", "a complete request");
                }
                Err(Error::Invalid(self.violations))
            }
        }
    }
}

/// Stable code of an ID number's fault.
#[must_use]
pub const fn id_number_code(error: InvalidIdNumber) -> &'static str {
    match error {
        InvalidIdNumber::FifteenDigits => "ID_FIFTEEN_DIGITS",
        InvalidIdNumber::Length => "ID_LENGTH",
        InvalidIdNumber::Characters => "ID_CHARACTERS",
        InvalidIdNumber::BirthDate => "ID_BIRTH_DATE",
        InvalidIdNumber::CheckDigit => "ID_CHECK_DIGIT",
        InvalidIdNumber::SpreadsheetFloat => "ID_SPREADSHEET_FLOAT",
    }
}

/// Page size of a list: 0 means 20, at most 100 so that a page stays a page.
///
/// # Errors
/// [`Error::Invalid`] outside 0 to 100.
pub fn page_size(size: i32) -> Result<i64, Error> {
    match size {
        0 => Ok(20),
        1..=100 => Ok(size.into()),
        _ => Err(Error::invalid("page.page_size", "PAGE_SIZE", "1 to 100")),
    }
}

/// The kernel code of a proto enum value: `ORIGIN_GENERAL` → `GENERAL`. `None` for unspecified.
#[must_use]
pub fn code_of<C: Code>(proto_name: &str, prefix: &str) -> Option<C> {
    C::parse(proto_name.strip_prefix(prefix)?.strip_prefix('_')?).ok()
}

/// Declares the conversions between a kernel code list and its proto enum.
#[macro_export]
macro_rules! code_conversions {
    ($($code:ident: $prefix:literal, $from:ident, $to:ident);+ $(;)?) => {$(
        #[doc = concat!("Reads a wire `", stringify!($code), "`; `None` when unspecified or unknown.")]
        #[must_use]
        pub fn $from(value: i32) -> Option<kernel::$code> {
            let name = proto::r#type::v1::$code::try_from(value).ok()?.as_str_name();
            $crate::decode::code_of(name, $prefix)
        }
        #[doc = concat!("Writes a wire `", stringify!($code), "`.")]
        #[must_use]
        pub fn $to(code: kernel::$code) -> i32 {
            let name = format!(concat!($prefix, "_{}"), kernel::Code::as_str(code));
            proto::r#type::v1::$code::from_str_name(&name).map_or(0, |value| value as i32)
        }
    )+};
}

/// Conversions of every shared code list.
pub mod codes {
    crate::code_conversions! {
        Origin: "ORIGIN", origin, origin_to_proto;
        Category: "CATEGORY", category, category_to_proto;
        RiskType: "RISK_TYPE", risk_type, risk_type_to_proto;
        Guarantee: "GUARANTEE", guarantee, guarantee_to_proto;
        GuaranteeStatus: "GUARANTEE_STATUS", guarantee_status, guarantee_status_to_proto;
        LabourCapacity: "LABOUR_CAPACITY", labour_capacity, labour_capacity_to_proto;
        ItemKind: "ITEM_KIND", item_kind, item_kind_to_proto;
        LeadChannel: "LEAD_CHANNEL", lead_channel, lead_channel_to_proto;
        NoticePlaceKind: "NOTICE_PLACE_KIND", notice_place_kind, notice_place_kind_to_proto;
        NoticeKind: "NOTICE_KIND", notice_kind, notice_kind_to_proto;
        EliminationKind: "ELIMINATION_KIND", elimination_kind, elimination_kind_to_proto;
        Severity: "SEVERITY", severity, severity_to_proto;
        SubjectClass: "SUBJECT_CLASS", subject_class, subject_class_to_proto;
        Sex: "SEX", sex, sex_to_proto;
    }
}

#[cfg(test)]
mod tests {
    use kernel::{DivisionCode, Origin, RiskType};

    use super::*;

    #[test]
    fn collects_everything_with_its_path() {
        let mut f = Fields::new();
        f.within("members[2]", |f| {
            f.id_number("id_number", "110105491231002")
        });
        let _ = f.parse::<DivisionCode>("division_code", "12");
        let _ = f.past_date("on", "2027-01-01", "2026-01-01".parse().expect("a day"));
        let _ = f.amount("amount_fen", -1);
        let _ = f.text("name", &"字".repeat(2_000_000), 50);
        let Err(Error::Invalid(violations)) = f.finish() else {
            panic!("must be invalid")
        };
        let found: Vec<_> = violations
            .iter()
            .map(|v| (v.field.as_str(), v.code.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                ("members[2].id_number", "ID_FIFTEEN_DIGITS"),
                ("division_code", "MALFORMED"),
                ("on", "DATE_IN_FUTURE"),
                ("amount_fen", "AMOUNT"),
                ("name", "TOO_LONG"),
            ]
        );
    }

    #[test]
    fn every_code_survives_the_wire() {
        for origin in Origin::ALL {
            assert_eq!(
                codes::origin(codes::origin_to_proto(*origin)),
                Some(*origin)
            );
        }
        for risk in RiskType::ALL {
            assert_eq!(
                codes::risk_type(codes::risk_type_to_proto(*risk)),
                Some(*risk)
            );
        }
        assert_eq!(codes::origin(0), None);
        assert_eq!(codes::origin(99), None);
    }
}
