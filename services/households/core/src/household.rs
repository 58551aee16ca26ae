//! A household's own fields and their rules (REG-1, REG-3).

use kernel::{DivisionCode, DivisionLevel, NoticePlaceId, Origin, SubjectClass};

use crate::{flaw::Flaw, member::Member, risk::Risk};

/// Years in which registered households were lifted out of poverty.
pub const LIFTED_YEARS: std::ops::RangeInclusive<i32> = 2014..=2020;
/// Village groups are numbered from 1 to this.
pub const GROUP_NUMBER_MAX: u32 = 99;

/// What is said of a household as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// 户编号; empty when the national system has none.
    pub national_number: String,
    /// The village.
    pub division: DivisionCode,
    /// Village group; 0 when not known.
    pub group_number: u32,
    /// Where it comes from (S03, S04).
    pub origin: Origin,
    /// Year lifted out of poverty.
    pub lifted_year: Option<i32>,
    /// Phone; may be empty.
    pub phone: String,
    /// Address; may be empty.
    pub address: String,
    /// Relocation site where it lives.
    pub relocation_site: Option<NoticePlaceId>,
    /// Risks.
    pub risks: Vec<Risk>,
}

/// What breaks the rules of a household's own fields.
#[must_use]
pub fn flaws(profile: &Profile) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    if profile.division.level() != DivisionLevel::Village {
        flaws.push(Flaw::new(
            "division_code",
            "VILLAGE",
            "the code of a village",
        ));
    }
    if profile.group_number > GROUP_NUMBER_MAX {
        flaws.push(Flaw::new("group_number", "GROUP_NUMBER", "0 to 99"));
    }
    flaws.extend(lifted_year_flaw(profile.origin, profile.lifted_year));
    if !is_phone(&profile.phone) {
        flaws.push(Flaw::new("phone", "PHONE", "7 to 12 digits"));
    }
    flaws.extend(crate::risk::flaws(&profile.risks));
    flaws
}

/// Only a household that was registered has a year, and it has one (REG-3).
#[must_use]
pub fn lifted_year_flaw(origin: Origin, year: Option<i32>) -> Option<Flaw> {
    let (held, expected) = match origin {
        Origin::FormerlyRegistered => (
            year.is_some_and(|year| LIFTED_YEARS.contains(&year)),
            "the year lifted out of poverty, 2014 to 2020",
        ),
        Origin::General => (year.is_none(), "no year for a household never registered"),
    };
    (!held).then(|| Flaw::new("lifted_year", "LIFTED_YEAR", expected))
}

/// Whether a text is a phone number, or empty.
#[must_use]
pub fn is_phone(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    text.is_empty()
        || (7..=12).contains(&digits) && text.bytes().all(|b| b.is_ascii_digit() || b == b'-')
}

/// The number of a village group that a sheet calls `text`: a number, or a name of `groups`. Any
/// number will do while the village has no list. Empty is 0, not known.
#[must_use]
pub fn group_number(text: &str, groups: &[(u32, String)]) -> Option<u32> {
    if text.is_empty() {
        return Some(0);
    }
    if let Some((number, _)) = groups.iter().find(|(_, name)| name == text) {
        return Some(*number);
    }
    let digits = text.trim_start_matches('第');
    let digits = digits.strip_suffix("小组").unwrap_or(digits);
    let digits = digits.strip_suffix(['组', '社']).unwrap_or(digits);
    let number: u32 = digits.parse().ok()?;
    let listed = groups.is_empty() || groups.iter().any(|(known, _)| *known == number);
    (listed && (1..=GROUP_NUMBER_MAX).contains(&number)).then_some(number)
}

/// What a household without an open case is to the mechanism.
#[must_use]
pub fn class_at_rest(origin: Origin, social_security: bool) -> SubjectClass {
    match origin {
        Origin::FormerlyRegistered => SubjectClass::Former,
        Origin::General if social_security => SubjectClass::LowIncome,
        Origin::General => SubjectClass::General,
    }
}

/// Whether somebody in the household gets 低保 or 特困供养.
#[must_use]
pub fn has_social_security(members: &[Member]) -> bool {
    members.iter().any(|member| member.social_security)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn profile() -> Profile {
        Profile {
            national_number: "H1".to_owned(),
            division: "999999001001".parse().expect("a village"),
            group_number: 3,
            origin: Origin::General,
            lifted_year: None,
            phone: "13900000000".to_owned(),
            address: String::new(),
            relocation_site: None,
            risks: Vec::new(),
        }
    }

    fn codes(profile: &Profile) -> Vec<&'static str> {
        flaws(profile).iter().map(|flaw| flaw.code).collect()
    }

    #[test]
    fn origin_and_year_belong_together() {
        let mut household = profile();
        assert!(codes(&household).is_empty());
        household.lifted_year = Some(2018);
        assert_eq!(codes(&household), ["LIFTED_YEAR"]);
        household.origin = Origin::FormerlyRegistered;
        assert!(codes(&household).is_empty());
        household.lifted_year = Some(2013);
        assert_eq!(codes(&household), ["LIFTED_YEAR"]);
        household.lifted_year = None;
        assert_eq!(codes(&household), ["LIFTED_YEAR"]);
    }

    #[test]
    fn every_flaw_is_told_at_once() {
        let household = Profile {
            division: "999999001000".parse().expect("a township"),
            group_number: 100,
            phone: "no phone".to_owned(),
            lifted_year: Some(2018),
            ..profile()
        };
        assert_eq!(
            codes(&household),
            ["VILLAGE", "GROUP_NUMBER", "LIFTED_YEAR", "PHONE"]
        );
    }

    #[test]
    fn groups_go_by_number_or_name() {
        let groups = [(1, "李家沟".to_owned()), (3, "王家湾".to_owned())];
        for (text, number) in [
            ("", Some(0)),
            ("3", Some(3)),
            ("第3组", Some(3)),
            ("1社", Some(1)),
            ("3小组", Some(3)),
            ("李家沟", Some(1)),
            ("2", None),
            ("张家坪", None),
        ] {
            assert_eq!(group_number(text, &groups), number, "{text}");
        }
        assert_eq!(group_number("7组", &[]), Some(7));
        assert_eq!(group_number("100", &[]), None);
    }

    #[test]
    fn a_household_at_rest_goes_by_its_origin() {
        assert_eq!(
            class_at_rest(Origin::FormerlyRegistered, true),
            SubjectClass::Former
        );
        assert_eq!(class_at_rest(Origin::General, false), SubjectClass::General);
        assert_eq!(
            class_at_rest(Origin::General, true),
            SubjectClass::LowIncome
        );
    }
}
