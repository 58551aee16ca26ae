//! Members of a household, and who of them counts (REG-1, REG-2).

use chrono::NaiveDate;
use kernel::{IdNumber, LabourCapacity, PersonId};

use crate::{
    flaw::Flaw,
    sheet::{HEAD, SPOUSE},
};

/// Age from which a person signs for itself.
pub const ADULT_AGE: u32 = 18;
/// Age from which a person can be labour (8.3: below, a labour capacity is an error).
pub const LABOUR_AGE: u32 = 16;
/// The largest household of a national sheet is far below; more is a list of something else.
pub const MEMBERS_MAX: usize = 50;

/// The three facts that are easily mixed up (REG-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// 户籍在册
    pub registered: bool,
    /// 实际居住
    pub resident: bool,
    /// 共享收支
    pub shares_income: bool,
}

impl Standing {
    /// Whether the member counts for income: registered or resident, and sharing income.
    #[must_use]
    pub const fn counts(self) -> bool {
        (self.registered || self.resident) && self.shares_income
    }
}

/// What an assessment has to know of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Earner {
    /// Whether it counts.
    pub standing: Standing,
    /// Labour capacity; absent when nobody has said.
    pub labour: Option<LabourCapacity>,
    /// Date of birth.
    pub birth_date: NaiveDate,
    /// 低保 or 特困供养 is granted.
    pub social_security: bool,
}

impl Earner {
    /// Whether the member counts and can work.
    #[must_use]
    pub fn is_labour(&self) -> bool {
        self.standing.counts() && self.labour.is_some_and(LabourCapacity::can_work)
    }

    /// Whether it is known that the member can't work. A child can't, said or not.
    #[must_use]
    pub fn cannot_work(&self, day: NaiveDate) -> bool {
        match self.labour {
            Some(labour) => !labour.can_work(),
            None => age(self.birth_date, day) < LABOUR_AGE,
        }
    }
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The person.
    pub person: PersonId,
    /// Name.
    pub name: String,
    /// ID number; sex and date of birth follow from it.
    pub id_number: IdNumber,
    /// Relation to the head; empty when nobody has said.
    pub relation: String,
    /// The head of the household.
    pub is_head: bool,
    /// The three facts.
    pub standing: Standing,
    /// Labour capacity; absent when nobody has said.
    pub labour: Option<LabourCapacity>,
    /// Health as the form says it; empty when nobody has said.
    pub health: String,
    /// Whether at school, as the form says it.
    pub schooling: String,
    /// Has basic medical insurance.
    pub medically_insured: bool,
    /// 低保 or 特困供养 is granted.
    pub social_security: bool,
    /// Who speaks for a minor or for an adult without capacity.
    pub guardian: Option<PersonId>,
}

impl Member {
    /// Whether the person is an adult on `day`.
    #[must_use]
    pub fn is_adult(&self, day: NaiveDate) -> bool {
        self.id_number.age_on(day) >= ADULT_AGE
    }

    /// Whether the person signs for itself: an adult for whom nobody else speaks.
    #[must_use]
    pub fn signs_for_itself(&self, day: NaiveDate) -> bool {
        self.is_adult(day) && self.guardian.is_none()
    }

    /// What an assessment has to know.
    #[must_use]
    pub fn earner(&self) -> Earner {
        Earner {
            standing: self.standing,
            labour: self.labour,
            birth_date: self.id_number.birth_date(),
            social_security: self.social_security,
        }
    }
}

/// Full years of age.
#[must_use]
pub fn age(birth_date: NaiveDate, day: NaiveDate) -> u32 {
    day.years_since(birth_date).unwrap_or(0)
}

/// Members that count for income.
#[must_use]
pub fn count(members: &[Member]) -> u32 {
    let counting = members.iter().filter(|m| m.standing.counts()).count();
    u32::try_from(counting).unwrap_or(u32::MAX)
}

/// What breaks the rules of a household's members (S02, 3_11_001). Fields are `members[n].…`.
#[must_use]
pub fn flaws(members: &[Member], today: NaiveDate) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    if members.len() > MEMBERS_MAX {
        flaws.push(Flaw::new("members", "TOO_MANY", "at most 50 members"));
        return flaws;
    }
    if members.iter().filter(|member| member.is_head).count() != 1 {
        flaws.push(Flaw::new("members", "EXACTLY_ONE_HEAD", "exactly one head"));
    }
    for (at, member) in members.iter().enumerate() {
        let mut flaw = |field: &str, code, expected| {
            flaws.push(Flaw::new(format!("members[{at}].{field}"), code, expected));
        };
        if members[..at]
            .iter()
            .any(|m| m.id_number == member.id_number)
        {
            flaw(
                "id_number",
                "DUPLICATE_ID_NUMBER",
                "an ID number that no other member has",
            );
        }
        if member.id_number.birth_date() > today {
            flaw(
                "id_number",
                "ID_BIRTH_DATE",
                "a date of birth that is not in the future",
            );
        }
        if member.is_head != (member.relation == HEAD)
            && !(member.is_head && member.relation.is_empty())
        {
            flaw(
                "relation",
                "HEAD_RELATION",
                "户主 for the head and for nobody else",
            );
        }
        if let Some(guardian) = member.guardian
            && !members.iter().any(|m| {
                m.person == guardian && m.person != member.person && m.signs_for_itself(today)
            })
        {
            flaw(
                "guardian_person_id",
                "GUARDIAN",
                "an adult member who speaks for itself",
            );
        }
    }
    flaws
}

/// The head's spouse, if there is one.
#[must_use]
pub fn spouse(members: &[Member]) -> Option<&Member> {
    members.iter().find(|member| member.relation == SPOUSE)
}

/// A name as those see it who may not see it: the first character and a star for each other one.
#[must_use]
pub fn masked_name(name: &str) -> String {
    let mut characters = name.chars();
    let first: String = characters.next().into_iter().collect();
    let hidden = characters.count();
    first + &"*".repeat(hidden.clamp(1, 3))
}

#[cfg(test)]
pub(crate) mod tests {
    use uuid::Uuid;

    use super::*;

    /// A pseudo ID number of a person born on `birth` (yyyymmdd).
    pub(crate) fn id_number(birth: &str, sequence: u32) -> IdNumber {
        let digits = format!("999999{birth}{sequence:03}");
        let bytes: [u8; 17] = digits.as_bytes().try_into().expect("17 digits");
        let check = IdNumber::check_character(&bytes);
        format!("{digits}{check}").parse().expect("an ID number")
    }

    pub(crate) fn member(number: u32, birth: &str, relation: &str) -> Member {
        Member {
            person: PersonId(Uuid::from_u128(number.into())),
            name: format!("测试{number}"),
            id_number: id_number(birth, number),
            relation: relation.to_owned(),
            is_head: relation == HEAD,
            standing: Standing {
                registered: true,
                resident: true,
                shares_income: true,
            },
            labour: Some(LabourCapacity::Ordinary),
            health: "健康".to_owned(),
            schooling: String::new(),
            medically_insured: true,
            social_security: false,
            guardian: None,
        }
    }

    fn codes(members: &[Member]) -> Vec<(String, &'static str)> {
        let today = "2026-08-31".parse().expect("a day");
        let found = flaws(members, today).into_iter();
        found.map(|flaw| (flaw.field, flaw.code)).collect()
    }

    #[test]
    fn exactly_one_head_and_every_id_number_once() {
        let head = member(1, "19800101", HEAD);
        let spouse = member(2, "19810101", SPOUSE);
        assert!(codes(&[head.clone(), spouse.clone()]).is_empty());
        assert_eq!(
            codes(std::slice::from_ref(&spouse)),
            [("members".to_owned(), "EXACTLY_ONE_HEAD")]
        );
        let twin = Member {
            id_number: head.id_number,
            ..spouse
        };
        assert_eq!(
            codes(&[head, twin]),
            [("members[1].id_number".to_owned(), "DUPLICATE_ID_NUMBER")]
        );
    }

    #[test]
    fn a_guardian_is_an_adult_member_who_speaks_for_itself() {
        let head = member(1, "19800101", HEAD);
        let mut child = member(2, "20150101", "之子");
        child.guardian = Some(head.person);
        assert!(codes(&[head.clone(), child.clone()]).is_empty());
        child.guardian = Some(child.person);
        assert_eq!(codes(&[head.clone(), child.clone()])[0].1, "GUARDIAN");
        child.guardian = Some(PersonId(Uuid::from_u128(99)));
        assert_eq!(codes(&[head, child])[0].1, "GUARDIAN");
    }

    #[test]
    fn who_counts() {
        let counts = |registered, resident, shares_income| {
            Standing {
                registered,
                resident,
                shares_income,
            }
            .counts()
        };
        assert!(counts(true, false, true));
        assert!(counts(false, true, true));
        assert!(!counts(true, true, false));
        assert!(!counts(false, false, true));
    }

    #[test]
    fn masks_keep_the_surname() {
        assert_eq!(masked_name("张三"), "张*");
        assert_eq!(masked_name("张三丰"), "张**");
        assert_eq!(masked_name("买买提·艾力"), "买***");
        assert_eq!(masked_name("张"), "张*");
    }
}
