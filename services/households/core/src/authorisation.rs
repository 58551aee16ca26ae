//! Who may have whose data queried: commitment and authorisation (S18, CMP-4).

use chrono::NaiveDate;
use kernel::{AuthorisationId, Code, ItemKind, PersonId, Refusal, Requirement};

use crate::{member::Member, relative::Relative};

/// Purpose of the authorisations that monitoring goes by.
pub const MONITORING: &str = "monitoring";
/// Longest validity: the platform asks again within the life of a monitoring case.
pub const VALID_YEARS_MAX: i32 = 5;

kernel::codes! {
    /// What somebody found who looked at an authorisation's paper (CMP-10).
    CheckOutcome {
        /// The paper is there, signed, and says what was recorded.
        InOrder = "IN_ORDER",
        /// It is not, or does not.
        Defective = "DEFECTIVE",
    }
}

/// A spot check of an authorisation's paper (CMP-10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// When.
    pub on: NaiveDate,
    /// The account of whoever looked.
    pub by: String,
    /// What they found.
    pub outcome: CheckOutcome,
    /// What is wrong with it; may be empty when nothing is.
    pub note: String,
}

/// An authorisation of one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorisation {
    /// Its id.
    pub id: AuthorisationId,
    /// Whose data may be queried.
    pub person: PersonId,
    /// Who signed.
    pub signed_by: PersonId,
    /// What may be queried.
    pub items: Vec<ItemKind>,
    /// What for.
    pub purpose: String,
    /// Version of the text that was signed and read out.
    pub text_version: String,
    /// When it was signed.
    pub signed_on: NaiveDate,
    /// Last day of validity.
    pub expires_on: NaiveDate,
    /// Since when it is withdrawn.
    pub withdrawn_on: Option<NaiveDate>,
    /// SHA-256 of the scan or e-signature.
    pub evidence_sha256: String,
    /// Signed by fingerprint after the content was read out.
    pub by_fingerprint: bool,
    /// The spot check of its paper, if there was one.
    pub check: Option<Check>,
}

impl Authorisation {
    /// Whether it holds on `day`. On the day of its withdrawal it does not.
    #[must_use]
    pub fn is_valid_on(&self, day: NaiveDate) -> bool {
        self.signed_on <= day
            && day <= self.expires_on
            && self.withdrawn_on.is_none_or(|withdrawn| day < withdrawn)
    }

    /// Notes a spot check of its paper. One that is not in order counts no longer, as if it were withdrawn;
    /// says whether that ended it.
    ///
    /// # Errors
    /// It was checked before: what somebody found stands.
    pub fn check_paper(&mut self, check: Check) -> Result<bool, Refusal> {
        let unmet = self
            .check
            .as_ref()
            .map(|known| Requirement::new("CMP-10", "NOT_CHECKED_YET", "UNCHECKED", known.on));
        Refusal::check(unmet.into_iter().collect())?;
        let ends = check.outcome == CheckOutcome::Defective && self.withdrawn_on.is_none();
        if ends {
            self.withdrawn_on = Some(check.on);
        }
        self.check = Some(check);
        Ok(ends)
    }

    /// Withdraws it from `today` on (S18). Also one that has expired: the wish is recorded.
    ///
    /// # Errors
    /// It is withdrawn already.
    pub fn withdraw(&mut self, today: NaiveDate) -> Result<(), Refusal> {
        let unmet = self
            .withdrawn_on
            .map(|withdrawn| Requirement::new("S18", "NOT_WITHDRAWN_YET", "GRANTED", withdrawn));
        Refusal::check(unmet.into_iter().collect())?;
        self.withdrawn_on = Some(today);
        Ok(())
    }
}

/// What the persons of a household allow to be queried for `purpose` on `day`: of each valid
/// authorisation the items that no newer one of the same person has, so that every item of a person
/// appears once. `newest_first` says what its name says.
#[must_use]
pub fn in_force(
    newest_first: &[Authorisation],
    purpose: &str,
    day: NaiveDate,
) -> Vec<Authorisation> {
    let mut found: Vec<Authorisation> = Vec::new();
    let valid = newest_first
        .iter()
        .filter(|a| a.purpose == purpose && a.is_valid_on(day));
    for authorisation in valid {
        let known = |item: &ItemKind| {
            found
                .iter()
                .any(|a| a.person == authorisation.person && a.items.contains(item))
        };
        let items = authorisation.items.iter().copied();
        let items: Vec<ItemKind> = items.filter(|item| !known(item)).collect();
        if !items.is_empty() {
            found.push(Authorisation {
                items,
                ..authorisation.clone()
            });
        }
    }
    found
}

/// Why an item of a person may not be queried (CMP-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// They have allowed it never, or not yet.
    NotGiven,
    /// The newest authorisation for it is past its last day.
    Expired,
    /// The newest authorisation for it was withdrawn.
    Withdrawn,
}

/// What of persons may not be queried for `purpose` on `day`, and why: every item of those who have to
/// authorise, relatives among them, and of anybody else the items that were allowed once. `newest_first`
/// says what its name says.
pub fn gaps<'a>(
    members: &'a [Member],
    relatives: &'a [Relative],
    newest_first: &'a [Authorisation],
    purpose: &'a str,
    day: NaiveDate,
) -> impl Iterator<Item = (PersonId, ItemKind, Gap)> + 'a {
    let given_by = move |person: PersonId| {
        newest_first
            .iter()
            .filter(move |a| a.person == person && a.purpose == purpose)
    };
    let members = members
        .iter()
        .map(move |member| (member.person, member.is_adult(day)));
    let relatives = relatives
        .iter()
        .map(|relative| (relative.person, relative.has_to_authorise()));
    members.chain(relatives).flat_map(move |(person, has_to)| {
        ItemKind::ALL.iter().filter_map(move |item| {
            let mut of_item = given_by(person).filter(|a| a.items.contains(item));
            let newest = of_item.clone().next();
            if of_item.any(|a| a.is_valid_on(day)) {
                return None;
            }
            let gap = match newest {
                Some(a) if a.withdrawn_on.is_some_and(|withdrawn| withdrawn <= day) => {
                    Gap::Withdrawn
                }
                Some(a) if a.expires_on < day => Gap::Expired,
                _ if has_to => Gap::NotGiven,
                _ => return None,
            };
            Some((person, *item, gap))
        })
    })
}

/// Whether `members` and `relatives` allow the authorisation to be recorded today (S18): an adult signs
/// for itself, for everybody else an adult member who is the guardian.
///
/// # Errors
/// Every requirement that is not met.
pub fn check(
    authorisation: &Authorisation,
    members: &[Member],
    relatives: &[Relative],
    today: NaiveDate,
) -> Result<(), Refusal> {
    let mut unmet = Vec::new();
    let find = |person: PersonId| members.iter().find(|member| member.person == person);
    let is_relative = |person| relatives.iter().any(|relative| relative.person == person);
    if let Some(person) = find(authorisation.person) {
        unmet.extend(signer(person, find(authorisation.signed_by), today));
    } else if is_relative(authorisation.person) {
        let own = authorisation.signed_by == authorisation.person;
        unmet.extend((!own).then(|| Requirement::new("S18", "SIGNED_BY_SELF", "SELF", "OTHER")));
    } else {
        unmet.push(Requirement::new("S18", "PERSON_IS_MEMBER", 1, 0));
    }
    if authorisation.items.is_empty() {
        unmet.push(Requirement::new("S18", "ITEMS_AUTHORISED", 1, 0));
    }
    if authorisation.signed_on > today {
        let found = authorisation.signed_on;
        unmet.push(Requirement::new("S18", "SIGNED_ALREADY", today, found).possible_from(found));
    }
    if authorisation.expires_on < today.max(authorisation.signed_on) {
        let found = authorisation.expires_on;
        unmet.push(Requirement::new("CMP-4", "NOT_EXPIRED", today, found));
    }
    let longest = authorisation
        .signed_on
        .checked_add_months(chrono::Months::new(12 * VALID_YEARS_MAX.unsigned_abs()));
    if let Some(longest) = longest.filter(|longest| authorisation.expires_on > *longest) {
        let found = authorisation.expires_on;
        unmet.push(Requirement::new("CMP-4", "EXPIRES_IN_TIME", longest, found));
    }
    Refusal::check(unmet)
}

fn signer(person: &Member, signer: Option<&Member>, today: NaiveDate) -> Option<Requirement> {
    if person.signs_for_itself(today) {
        let own = signer.is_some_and(|signer| signer.person == person.person);
        return (!own).then(|| Requirement::new("S18", "SIGNED_BY_SELF", "SELF", "OTHER"));
    }
    let Some(signer) = signer.filter(|signer| signer.person != person.person) else {
        return Some(Requirement::new(
            "S18",
            "SIGNED_BY_GUARDIAN",
            "GUARDIAN",
            "OTHER",
        ));
    };
    if person
        .guardian
        .is_some_and(|guardian| guardian != signer.person)
    {
        return Some(Requirement::new(
            "S18",
            "SIGNED_BY_GUARDIAN",
            "GUARDIAN",
            "OTHER",
        ));
    }
    (!signer.signs_for_itself(today)).then(|| {
        let found = signer.id_number.age_on(today);
        Requirement::new("S18", "GUARDIAN_IS_ADULT", crate::member::ADULT_AGE, found)
    })
}

/// Who has to authorise: every adult member. For one without capacity the guardian signs.
#[must_use]
pub fn to_authorise(members: &[Member], day: NaiveDate) -> Vec<PersonId> {
    members
        .iter()
        .filter(|member| member.is_adult(day))
        .map(|member| member.person)
        .collect()
}

/// How far a household's authorisations reach.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coverage {
    /// Persons whose authorisation is needed.
    pub needed: u32,
    /// Persons with a valid one.
    pub given: u32,
    /// Items that every one of them allows; empty while one is missing.
    pub items: Vec<ItemKind>,
}

/// Coverage on `day` for `purpose` (T2).
#[must_use]
pub fn coverage(
    members: &[Member],
    authorisations: &[Authorisation],
    purpose: &str,
    day: NaiveDate,
) -> Coverage {
    let persons = to_authorise(members, day);
    let valid_of = |person: PersonId| {
        authorisations
            .iter()
            .filter(move |a| a.person == person && a.purpose == purpose && a.is_valid_on(day))
    };
    let given = persons
        .iter()
        .filter(|p| valid_of(**p).next().is_some())
        .count();
    let covered = |item: &ItemKind| {
        !persons.is_empty()
            && persons
                .iter()
                .all(|person| valid_of(*person).any(|a| a.items.contains(item)))
    };
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Coverage {
        needed: number(persons.len()),
        given: number(given),
        items: ItemKind::ALL.iter().copied().filter(covered).collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::{member::tests::member, relative::tests::relative};

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    fn given(person: &Member, signer: &Member) -> Authorisation {
        Authorisation {
            id: AuthorisationId(Uuid::nil()),
            person: person.person,
            signed_by: signer.person,
            items: ItemKind::ALL.to_vec(),
            purpose: MONITORING.to_owned(),
            text_version: "2021".to_owned(),
            signed_on: day("2026-08-01"),
            expires_on: day("2027-07-31"),
            withdrawn_on: None,
            evidence_sha256: "0".repeat(64),
            by_fingerprint: false,
            check: None,
        }
    }

    fn codes(authorisation: &Authorisation, members: &[Member]) -> Vec<&'static str> {
        check(authorisation, members, &[], day("2026-08-31"))
            .err()
            .map(|refusal| refusal.unmet.iter().map(|unmet| unmet.code).collect())
            .unwrap_or_default()
    }

    #[test]
    fn an_adult_signs_for_itself_and_a_guardian_for_a_child() {
        let head = member(1, "19800101", "户主");
        let wife = member(2, "19810101", "配偶");
        let child = member(3, "20150101", "之子");
        let family = [head.clone(), wife.clone(), child.clone()];
        assert!(codes(&given(&head, &head), &family).is_empty());
        assert_eq!(codes(&given(&head, &wife), &family), ["SIGNED_BY_SELF"]);
        assert!(codes(&given(&child, &head), &family).is_empty());
        assert_eq!(
            codes(&given(&child, &child), &family),
            ["SIGNED_BY_GUARDIAN"]
        );
        let stranger = member(9, "19800101", "户主");
        assert_eq!(
            codes(&given(&stranger, &head), &family),
            ["PERSON_IS_MEMBER"]
        );
        assert_eq!(
            codes(&given(&child, &stranger), &family),
            ["SIGNED_BY_GUARDIAN"]
        );
    }

    #[test]
    fn it_is_told_why_an_item_may_not_be_queried() {
        let head = member(1, "19800101", "户主");
        let wife = member(2, "19810101", "配偶");
        let child = member(3, "20150101", "之子");
        let baby = member(4, "20240101", "之女");
        let family = [head.clone(), wife.clone(), child.clone(), baby];
        let vehicle = |authorisation: Authorisation| Authorisation {
            items: vec![ItemKind::Vehicle],
            ..authorisation
        };
        let expired = Authorisation {
            expires_on: day("2026-08-30"),
            ..given(&head, &head)
        };
        let withdrawn = Authorisation {
            withdrawn_on: Some(day("2026-08-31")),
            ..given(&child, &head)
        };
        let newest_first = [vehicle(given(&head, &head)), expired, vehicle(withdrawn)];
        let son = relative(7, "19900101");
        let lost = Relative {
            excused_reason: "下落不明".to_owned(),
            ..relative(8, "19920101")
        };
        let relatives = [son.clone(), lost];
        let today = day("2026-08-31");
        let told = |relatives| -> Vec<_> {
            gaps(&family, relatives, &newest_first, MONITORING, today).collect()
        };
        let with_relatives = told(&relatives);
        let of_son = with_relatives.iter().filter(|found| found.0 == son.person);
        assert_eq!(of_son.count(), 9, "each with an authorisation of their own");
        let gaps = told(&[]);
        assert_eq!(
            with_relatives.len(),
            gaps.len() + 9,
            "an excused one need not"
        );
        let of = |person: &Member, gap| {
            let of_person = gaps.iter().filter(|found| found.0 == person.person);
            of_person.filter(|found| found.2 == gap).count()
        };
        assert_eq!(of(&head, Gap::Expired), 8, "all but vehicles");
        assert_eq!(of(&wife, Gap::NotGiven), 9);
        assert_eq!(of(&child, Gap::Withdrawn), 1);
        assert_eq!(gaps.len(), 18, "a child need not allow anything");
    }

    #[test]
    fn a_relative_signs_for_itself_and_for_nobody_else() {
        let head = member(1, "19600101", "户主");
        let son = relative(7, "19900101");
        let of_son = |signed_by| Authorisation {
            person: son.person,
            signed_by,
            ..given(&head, &head)
        };
        let checked = |authorisation: &Authorisation| {
            let relatives = std::slice::from_ref(&son);
            let members = std::slice::from_ref(&head);
            let checked = check(authorisation, members, relatives, day("2026-08-31"));
            checked.map_err(|refusal| refusal.unmet[0].code)
        };
        assert_eq!(checked(&of_son(son.person)), Ok(()));
        assert_eq!(checked(&of_son(head.person)), Err("SIGNED_BY_SELF"));
        let of_head = Authorisation {
            signed_by: son.person,
            ..given(&head, &head)
        };
        assert_eq!(checked(&of_head), Err("SIGNED_BY_SELF"));
    }

    #[test]
    fn a_named_guardian_is_the_only_one() {
        let head = member(1, "19800101", "户主");
        let wife = member(2, "19810101", "配偶");
        let mut father = member(3, "19400101", "之父");
        father.guardian = Some(head.person);
        let family = [head.clone(), wife.clone(), father.clone()];
        assert!(codes(&given(&father, &head), &family).is_empty());
        assert_eq!(
            codes(&given(&father, &wife), &family),
            ["SIGNED_BY_GUARDIAN"]
        );
        assert_eq!(
            codes(&given(&father, &father), &family),
            ["SIGNED_BY_GUARDIAN"]
        );
        let brother = member(4, "20100101", "之子");
        let child = member(5, "20150101", "之子");
        let family = [head, brother.clone(), child.clone()];
        assert_eq!(
            codes(&given(&child, &brother), &family),
            ["GUARDIAN_IS_ADULT"]
        );
    }

    #[test]
    fn every_unmet_requirement_at_once() {
        let head = member(1, "19800101", "户主");
        let bad = Authorisation {
            items: Vec::new(),
            expires_on: day("2026-08-30"),
            ..given(&head, &head)
        };
        assert_eq!(codes(&bad, &[head]), ["ITEMS_AUTHORISED", "NOT_EXPIRED"]);
    }

    #[test]
    fn valid_until_the_last_day_and_not_on_the_day_of_withdrawal() {
        let head = member(1, "19800101", "户主");
        let mut authorisation = given(&head, &head);
        assert!(!authorisation.is_valid_on(day("2026-07-31")));
        assert!(authorisation.is_valid_on(day("2026-08-01")));
        assert!(authorisation.is_valid_on(day("2027-07-31")));
        assert!(!authorisation.is_valid_on(day("2027-08-01")));
        authorisation.withdrawn_on = Some(day("2026-09-01"));
        assert!(authorisation.is_valid_on(day("2026-08-31")));
        assert!(!authorisation.is_valid_on(day("2026-09-01")));
    }

    #[test]
    fn a_paper_is_checked_once_and_a_defective_one_ends() {
        let head = member(1, "19800101", "户主");
        let today = day("2026-08-31");
        let found = |outcome| Check {
            on: today,
            by: "officer".to_owned(),
            outcome,
            note: "无签名".to_owned(),
        };
        let mut good = given(&head, &head);
        assert_eq!(good.check_paper(found(CheckOutcome::InOrder)), Ok(false));
        assert!(good.is_valid_on(today));
        let again = good
            .check_paper(found(CheckOutcome::Defective))
            .expect_err("checked");
        assert_eq!(
            (again.unmet[0].rule, again.unmet[0].code),
            ("CMP-10", "NOT_CHECKED_YET")
        );
        let mut bad = given(&head, &head);
        assert_eq!(bad.check_paper(found(CheckOutcome::Defective)), Ok(true));
        assert!(!bad.is_valid_on(today));
        let mut over = given(&head, &head);
        over.withdraw(day("2026-08-15")).expect("withdrawn");
        assert_eq!(over.check_paper(found(CheckOutcome::Defective)), Ok(false));
        assert_eq!(over.withdrawn_on, Some(day("2026-08-15")));
    }

    #[test]
    fn withdrawn_once() {
        let head = member(1, "19800101", "户主");
        let mut authorisation = given(&head, &head);
        assert_eq!(authorisation.withdraw(day("2026-08-31")), Ok(()));
        assert!(!authorisation.is_valid_on(day("2026-08-31")));
        let refusal = authorisation.withdraw(day("2026-09-01"));
        assert_eq!(
            refusal.expect_err("withdrawn").unmet[0].code,
            "NOT_WITHDRAWN_YET"
        );
        assert_eq!(authorisation.withdrawn_on, Some(day("2026-08-31")));
    }

    #[test]
    fn every_item_of_a_person_is_in_force_once() {
        let head = member(1, "19800101", "户主");
        let old = given(&head, &head);
        let new = Authorisation {
            items: vec![ItemKind::Vehicle],
            ..given(&head, &head)
        };
        let found = in_force(&[new, old.clone()], MONITORING, day("2026-08-31"));
        assert_eq!(found[0].items, [ItemKind::Vehicle]);
        assert_eq!(found[1].items.len(), ItemKind::ALL.len() - 1);
        assert_eq!(
            in_force(&[old.clone(), old.clone()], MONITORING, day("2026-08-31")).len(),
            1
        );
        assert_eq!(in_force(&[old], "other", day("2026-08-31")), []);
    }

    proptest! {
        #[test]
        fn items_are_covered_only_when_everybody_allows_them(
            masks in prop::collection::vec(0u16..512, 1..4), missing: bool,
        ) {
            let members: Vec<Member> = (0..masks.len() as u32)
                .map(|n| member(n + 1, "19800101", if n == 0 { "户主" } else { "之子" })).collect();
            let items = |mask: u16| -> Vec<ItemKind> {
                ItemKind::ALL.iter().copied().enumerate()
                    .filter(|(bit, _)| mask & (1 << bit) != 0).map(|(_, item)| item).collect()
            };
            let mut given: Vec<Authorisation> = members.iter().zip(&masks)
                .map(|(m, mask)| Authorisation { items: items(*mask), ..given(m, m) }).collect();
            if missing { given.pop(); }
            let found = coverage(&members, &given, MONITORING, day("2026-08-31"));
            prop_assert_eq!(found.needed as usize, members.len());
            prop_assert_eq!(found.given as usize, given.len());
            let all = if missing { 0 } else { masks.iter().fold(511, |all, mask| all & mask) };
            prop_assert_eq!(found.items, items(all));
            prop_assert!(coverage(&members, &given, "other", day("2026-08-31")).items.is_empty());
        }
    }
}
