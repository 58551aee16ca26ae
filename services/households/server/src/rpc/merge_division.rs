//! Makes a village part of another (ORG-1). The same twice changes nothing, so it needs no
//! idempotency key.

use chassis::{
    auth::Caller,
    decode::Fields,
    error::Error,
    whereabouts::{self, Merge},
};
use chrono::NaiveDate;
use households_core::household::GROUP_NUMBER_MAX;
use kernel::{DivisionCode, DivisionLevel};
use proto::households::v1::{MergeDivisionRequest, MergeDivisionResponse};

use super::Service;
use crate::{
    convert,
    read::{LINE_CHARS_MAX, NAME_CHARS_MAX},
    store::{
        self,
        division::{Division, Group},
    },
    whereabouts::Households,
};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: MergeDivisionRequest,
) -> Result<MergeDivisionResponse, Error> {
    let asked = decode(&request)?;
    let mut tx = service.database.begin(caller).await?;
    // Always in the order of their codes, so that two merges do not wait for each other.
    let mut villages = Vec::with_capacity(2);
    for code in [asked.from.min(asked.into), asked.from.max(asked.into)] {
        let village = store::division::lock(&mut tx, code).await?;
        villages.push(village.ok_or(Error::NotFound { what: "division" })?);
    }
    if asked.into < asked.from {
        villages.reverse();
    }
    let (Some(mut into), Some(from)) = (villages.pop(), villages.pop()) else {
        return Err(Error::NotFound { what: "division" });
    };
    if from.merged_into != Some(into.code) {
        let today = tx.today();
        check(&from, &into, today)?;
        let used = [
            store::merge::group_numbers(&mut tx, from.code).await?,
            store::merge::group_numbers(&mut tx, into.code).await?,
        ];
        let offset = join_groups(&from, &mut into, &used)?;
        store::division::put(&mut tx, &into).await?;
        let merge = Merge {
            from: from.code,
            into: into.code,
            merged_on: today,
            merged_by: caller.principal.subject.clone(),
        };
        store::merge::put(&mut tx, &merge, offset, &asked.legal_basis).await?;
    }
    tx.commit().await?;
    let county = into.code.county();
    whereabouts::follow(&service.database, county, &Households).await?;
    Ok(MergeDivisionResponse {
        division: Some(convert::division(&into)),
    })
}

struct Asked {
    from: DivisionCode,
    into: DivisionCode,
    legal_basis: String,
}

fn decode(request: &MergeDivisionRequest) -> Result<Asked, Error> {
    let mut f = Fields::new();
    let from = village(&mut f, "from_code", &request.from_code);
    let into = village(&mut f, "into_code", &request.into_code);
    if from.is_some() && from == into {
        f.violation("into_code", "OTHER_VILLAGE", "another village");
    }
    let legal_basis = f.text("legal_basis", &request.legal_basis, LINE_CHARS_MAX);
    let asked = from.zip(into).zip(legal_basis);
    f.finish_with(asked.map(|((from, into), legal_basis)| Asked {
        from,
        into,
        legal_basis,
    }))
}

fn village(f: &mut Fields, field: &str, text: &str) -> Option<DivisionCode> {
    let code: Option<DivisionCode> = f.parse(field, text);
    if code.is_some_and(|code| code.level() != DivisionLevel::Village) {
        f.violation(field, "VILLAGE", "the code of a village");
    }
    code
}

/// Only a village that is there can end, and only in one that stays.
fn check(from: &Division, into: &Division, today: NaiveDate) -> Result<(), Error> {
    let mut f = Fields::new();
    for (field, village) in [("from_code", from), ("into_code", into)] {
        let lasts = village.valid_to.is_none_or(|last| last >= today);
        if village.merged_into.is_some() || village.valid_from > today || !lasts {
            f.violation(field, "VALID_TODAY", "a village that is valid today");
        }
    }
    f.finish()
}

/// Puts the groups of the one village behind those of the other; says what its numbers grow by.
/// `used` are the numbers that the households of the two have: a village can use groups that it
/// does not list.
fn join_groups(from: &Division, into: &mut Division, used: &[Vec<u32>; 2]) -> Result<u32, Error> {
    let numbers = |village: &Division, used: &[u32]| {
        let listed = village.groups.iter().map(|group| group.number);
        let mut numbers: Vec<u32> = listed.chain(used.iter().copied()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    };
    let moving = numbers(from, &used[0]);
    let offset = numbers(into, &used[1]).last().copied().unwrap_or(0);
    if moving
        .last()
        .is_some_and(|last| last + offset > GROUP_NUMBER_MAX)
    {
        let expected = "villages with at most 99 groups together";
        return Err(Error::invalid("into_code", "TOO_MANY_GROUPS", expected));
    }
    // A village that lists no groups takes any number.
    if !into.groups.is_empty() {
        into.groups.extend(moving.into_iter().map(|number| {
            let listed = from.groups.iter().find(|group| group.number == number);
            let name = listed.map_or_else(|| number.to_string(), |group| group.name.clone());
            let full = format!("{}{name}", from.name);
            let fits = full.chars().count() <= NAME_CHARS_MAX;
            Group {
                number: number + offset,
                name: if fits { full } else { name },
            }
        }));
    }
    Ok(offset)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn village(code: &str, groups: &[u32]) -> Division {
        Division {
            code: code.parse().expect("a code"),
            name: "村".to_owned(),
            valid_from: NaiveDate::default(),
            valid_to: None,
            groups: groups
                .iter()
                .map(|&number| Group {
                    number,
                    name: format!("{number}组"),
                })
                .collect(),
            merged_into: None,
        }
    }

    fn some_numbers() -> impl Strategy<Value = Vec<u32>> {
        proptest::collection::btree_set(1..=GROUP_NUMBER_MAX, 0..8)
            .prop_map(|numbers| numbers.into_iter().collect())
    }

    proptest! {
        /// No two groups become one, and every household's group is one that the village lists.
        #[test]
        fn groups_stay_apart(
            own in some_numbers(), other in some_numbers(),
            own_used in some_numbers(), other_used in some_numbers(),
        ) {
            let from = village("999999001001", &own);
            let mut into = village("999999001002", &other);
            let before = into.groups.len();
            let used = [own_used.clone(), other_used.clone()];
            let Ok(offset) = join_groups(&from, &mut into, &used) else {
                let last = |a: &[u32], b: &[u32]| a.iter().chain(b).max().copied().unwrap_or(0);
                let most = last(&own, &own_used) + last(&other, &other_used);
                prop_assert!(most > GROUP_NUMBER_MAX);
                return Ok(());
            };
            for number in own.iter().chain(&own_used) {
                let moved = number + offset;
                prop_assert!(!other.contains(&moved) && !other_used.contains(&moved));
                let listed = into.groups.iter().filter(|group| group.number == moved).count();
                prop_assert_eq!(listed, usize::from(before > 0));
            }
        }
    }
}
