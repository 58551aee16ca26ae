//! Persons who are no members of a household and belong to its comparison (CMP-2): children who live
//! elsewhere, their spouses, and whoever else by law has to support a member.

use chrono::NaiveDate;
use kernel::{IdNumber, PersonId};

use crate::{
    change::Change,
    flaw::Flaw,
    member::{ADULT_AGE, Member},
};

/// More than anybody has children, sons- and daughters-in-law; more is a list of something else.
pub const RELATIVES_MAX: usize = 30;

kernel::codes! {
    /// What ties a person to a household.
    Tie {
        /// A child of a member who lives elsewhere.
        Child = "CHILD",
        /// The spouse of such a child.
        ChildsSpouse = "CHILDS_SPOUSE",
        /// Anybody else who by law has to support a member.
        Supporter = "SUPPORTER",
    }
}

/// A relative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relative {
    /// The person, as a relative of this household.
    pub person: PersonId,
    /// Name.
    pub name: String,
    /// ID number.
    pub id_number: IdNumber,
    /// What ties them to the household.
    pub tie: Tie,
    /// Why nobody asks for their authorisation: missing for years, estranged by a court's decision.
    /// Empty otherwise.
    pub excused_reason: String,
}

impl Relative {
    /// Whether their authorisation is needed.
    #[must_use]
    pub fn has_to_authorise(&self) -> bool {
        self.excused_reason.is_empty()
    }
}

/// What breaks the rules of a household's relatives: they are adults, nobody is there twice, and nobody
/// is a member at the same time. Fields are `relative.…`.
#[must_use]
pub fn flaws(
    relative: &Relative,
    others: &[Relative],
    members: &[Member],
    today: NaiveDate,
) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    if others.len() >= RELATIVES_MAX {
        flaws.push(Flaw::new("relative", "TOO_MANY", "at most 30 relatives"));
    }
    let number = relative.id_number;
    if number.age_on(today) < ADULT_AGE {
        // A child who lives elsewhere has nothing that would support the household.
        flaws.push(Flaw::new(
            "relative.id_number",
            "ADULT",
            "an adult's ID number",
        ));
    }
    let known = others.iter().any(|other| other.id_number == number)
        || members.iter().any(|member| member.id_number == number);
    if known {
        let expected = "an ID number that no member and no other relative has";
        flaws.push(Flaw::new(
            "relative.id_number",
            "DUPLICATE_ID_NUMBER",
            expected,
        ));
    }
    flaws
}

/// A field of a relative as text.
type Text = fn(&Relative) -> String;

/// What differs between two states of a relative, one of which may be nothing. ID numbers are masked.
#[must_use]
pub fn changes(old: Option<&Relative>, new: Option<&Relative>) -> Vec<Change> {
    let Some(person) = old.or(new).map(|relative| relative.person) else {
        return Vec::new();
    };
    let fields: [(&str, Text); 4] = [
        ("name", |r| r.name.clone()),
        ("id_number", |r| r.id_number.masked()),
        ("tie", |r| r.tie.to_string()),
        ("reason", |r| r.excused_reason.clone()),
    ];
    let changes = fields.into_iter().filter_map(|(field, text)| {
        let of = |relative: Option<&Relative>| relative.map(text).unwrap_or_default();
        let (before, after) = (of(old), of(new));
        // Two numbers may be masked alike.
        let numbers = old
            .zip(new)
            .map(|(old, new)| (old.id_number, new.id_number));
        let is_other = match numbers.filter(|_| field == "id_number") {
            Some((old, new)) => old != new,
            None => before != after,
        };
        is_other.then(|| Change::new("relative", format!("{person}.{field}"), before, after))
    });
    changes.collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::member::tests::member;

    pub(crate) fn relative(serial: u32, birth: &str) -> Relative {
        let person = member(serial, birth, "之子");
        Relative {
            person: PersonId(Uuid::from_u128(u128::from(serial) << 64)),
            name: person.name,
            id_number: person.id_number,
            tie: Tie::Child,
            excused_reason: String::new(),
        }
    }

    #[test]
    fn a_relative_is_an_adult_and_nobody_twice() {
        let today = "2026-08-31".parse().expect("a day");
        let codes = |relative: &Relative, others: &[Relative], members: &[Member]| {
            let flaws = flaws(relative, others, members, today);
            flaws.into_iter().map(|flaw| flaw.code).collect::<Vec<_>>()
        };
        let son = relative(7, "19900101");
        assert!(
            codes(
                &son,
                &[relative(8, "19920101")],
                &[member(1, "19600101", "户主")]
            )
            .is_empty()
        );
        assert_eq!(codes(&relative(9, "20150101"), &[], &[]), ["ADULT"]);
        assert_eq!(
            codes(&son, std::slice::from_ref(&son), &[]),
            ["DUPLICATE_ID_NUMBER"]
        );
        assert_eq!(
            codes(&son, &[], &[member(7, "19900101", "之子")]),
            ["DUPLICATE_ID_NUMBER"]
        );
        let many: Vec<Relative> = (10..40)
            .map(|serial| relative(serial, "19700101"))
            .collect();
        assert_eq!(codes(&son, &many, &[]), ["TOO_MANY"]);
    }

    #[test]
    fn what_changed_is_told_without_the_number() {
        let son = relative(7, "19900101");
        assert_eq!(changes(None, Some(&son)).len(), 3, "no excuse");
        let other = Relative {
            id_number: relative(8, "19900101").id_number,
            excused_reason: "下落不明".to_owned(),
            ..son.clone()
        };
        let found = changes(Some(&son), Some(&other));
        let fields: Vec<&str> = found
            .iter()
            .filter_map(|c| c.field.rsplit('.').next())
            .collect();
        assert_eq!(fields, ["id_number", "reason"]);
        let texts: String = found.iter().flat_map(|c| [&*c.old, &*c.new]).collect();
        assert!(!texts.contains(son.id_number.expose()), "{texts}");
        assert!(changes(Some(&son), Some(&son)).is_empty());
    }
}
