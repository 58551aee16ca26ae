//! Reads the parts of requests that several RPCs have.

use chassis::decode::{Fields, codes};
use households_core::{
    flaw::Flaw,
    household::{self, Profile},
    member::{Member, Standing},
    relative::{Relative, Tie},
    risk::{REMARK_CHARS_MAX, RISKS_MAX, Risk},
};
use kernel::{DivisionCode, HouseholdId, Month, PersonId};
use proto::{households::v1 as wire, r#type::v1 as shared};

/// Longest name: that of a person of a minority with several parts.
pub const NAME_CHARS_MAX: usize = 50;
/// Longest number, relation or other short text.
pub const WORD_CHARS_MAX: usize = 40;
/// Longest address or remark.
pub const LINE_CHARS_MAX: usize = 200;
/// Households at once: a page of them.
const BATCH_MAX: usize = 100;

/// Notes what breaks the rules of the core.
pub fn flaws(f: &mut Fields, flaws: Vec<Flaw>) {
    for flaw in flaws {
        f.violation(&flaw.field, flaw.code, flaw.expected);
    }
}

/// Ids of households, at most a page.
pub fn household_ids(f: &mut Fields, field: &str, ids: &[String]) -> Option<Vec<HouseholdId>> {
    f.at_most(field, ids.len(), BATCH_MAX);
    let ids = ids.iter().take(BATCH_MAX).enumerate();
    ids.map(|(at, id)| f.parse(&format!("{field}[{at}]"), id))
        .collect()
}

/// What is said of a household as a whole, without its risks.
pub fn profile(
    f: &mut Fields,
    given: &wire::Household,
    division: Option<DivisionCode>,
    risks: Option<Vec<Risk>>,
) -> Option<Profile> {
    let national_number =
        f.text_optional("national_number", &given.national_number, WORD_CHARS_MAX);
    let group_number = u32::try_from(given.group_number).ok();
    if group_number.is_none() {
        f.violation("group_number", "GROUP_NUMBER", "0 to 99");
    }
    let origin = f.code("origin", codes::origin(given.origin));
    let phone = f.text_optional("phone", &given.phone, WORD_CHARS_MAX);
    let address = f.text_optional("address", &given.address, LINE_CHARS_MAX);
    let site = &given.relocation_site_id;
    let relocation_site = f.parse_optional("relocation_site_id", site);
    let profile = Profile {
        national_number: national_number?,
        division: division?,
        group_number: group_number?,
        origin: origin?,
        lifted_year: Some(given.lifted_year).filter(|year| *year != 0),
        phone: phone?,
        address: address?,
        relocation_site,
        risks: risks?,
    };
    flaws(f, household::flaws(&profile));
    Some(profile)
}

/// Risks. Their rules are checked where the household is.
pub fn risks(f: &mut Fields, given: &[shared::Risk]) -> Option<Vec<Risk>> {
    f.at_most("risks", given.len(), RISKS_MAX);
    let risks = given.iter().take(RISKS_MAX).enumerate();
    let risks: Vec<Option<Risk>> = risks
        .map(|(at, risk)| {
            f.within(format_args!("risks[{at}]"), |f| {
                let kind = f.code("type", codes::risk_type(risk.r#type));
                let sub_code = f.text_optional("sub_code", &risk.sub_code, WORD_CHARS_MAX);
                let remark = f.text_optional("remark", &risk.remark, REMARK_CHARS_MAX);
                Some(Risk {
                    kind: kind?,
                    sub_code: sub_code?,
                    remark: remark?,
                })
            })
        })
        .collect();
    risks.into_iter().collect()
}

/// A member with the id `person`.
pub fn member(f: &mut Fields, given: &wire::Member, person: PersonId) -> Option<Member> {
    let name = f.text("name", &given.name, NAME_CHARS_MAX);
    let id_number = f.id_number("id_number", &given.id_number);
    if let Some(id_number) = id_number {
        if given.sex != 0 && codes::sex(given.sex) != Some(id_number.sex()) {
            f.violation("sex", "SEX", "the sex that the ID number says");
        }
        let birth_date = id_number.birth_date().to_string();
        if !given.birth_date.is_empty() && given.birth_date != birth_date {
            f.violation(
                "birth_date",
                "BIRTH_DATE",
                "the date that the ID number says",
            );
        }
    }
    let relation = f.text_optional("relation", &given.relation, WORD_CHARS_MAX);
    let labour = match given.labour_capacity {
        0 => Some(None),
        value => f
            .code("labour_capacity", codes::labour_capacity(value))
            .map(Some),
    };
    let health = f.text_optional("health", &given.health, WORD_CHARS_MAX);
    let schooling = f.text_optional("schooling", &given.schooling, WORD_CHARS_MAX);
    let guardian = f.parse_optional("guardian_person_id", &given.guardian_person_id);
    Some(Member {
        person,
        name: name?,
        id_number: id_number?,
        relation: relation?,
        is_head: given.is_head,
        standing: Standing {
            registered: given.registered,
            resident: given.resident,
            shares_income: given.shares_income,
        },
        labour: labour?,
        health: health?,
        schooling: schooling?,
        medically_insured: given.medically_insured,
        social_security: given.social_security,
        guardian,
    })
}

/// Months at once: three years, the longest that a review looks back over.
const MONTHS_MAX: u32 = 36;

/// First and last month of a span.
pub fn months(f: &mut Fields, from: &str, to: &str) -> Option<(Month, Month)> {
    let from = f.month("from_month", from);
    let to = f.month("to_month", to);
    let (from, to) = from.zip(to)?;
    if to < from {
        f.violation("to_month", "BEFORE_START", format_args!("{from} or later"));
    } else if to.minus(MONTHS_MAX - 1) > from {
        f.violation(
            "to_month",
            "TOO_MANY",
            format_args!("at most {MONTHS_MAX} months"),
        );
    }
    Some((from, to))
}

/// A relative of a household.
pub fn relative(f: &mut Fields, given: &wire::Relative, person: PersonId) -> Option<Relative> {
    let name = f.text("name", &given.name, NAME_CHARS_MAX);
    let id_number = f.id_number("id_number", &given.id_number);
    let tie = f.code(
        "tie",
        match given.tie() {
            wire::Tie::Child => Some(Tie::Child),
            wire::Tie::ChildsSpouse => Some(Tie::ChildsSpouse),
            wire::Tie::Supporter => Some(Tie::Supporter),
            wire::Tie::Unspecified => None,
        },
    );
    let excused_reason = f.text_optional("excused_reason", &given.excused_reason, LINE_CHARS_MAX);
    Some(Relative {
        person,
        name: name?,
        id_number: id_number?,
        tie: tie?,
        excused_reason: excused_reason?,
    })
}
