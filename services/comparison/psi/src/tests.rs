//! Both sides of a run against the plain intersection, and sides that send something else.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// A valid ID number of nobody: 999999, a day of 1980, a running number.
fn person(number: u32) -> IdNumber {
    let (day, serial) = (1 + number / 999 % 28, 1 + number % 999);
    let digits = format!("999999198006{day:02}{serial:03}");
    let bytes: &[u8; 17] = digits.as_bytes().try_into().expect("17 digits");
    let text = format!("{digits}{}", IdNumber::check_character(bytes));
    text.parse().expect("a valid number")
}

fn persons(numbers: &[u32]) -> Vec<IdNumber> {
    numbers.iter().map(|number| person(*number)).collect()
}

const RUN: Uuid = Uuid::from_u128(7);

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_county_learns_the_intersection_and_its_size_is_all_the_department_sees(
        asked in prop::collection::vec(0_u32..60, 0..40),
        held in prop::collection::vec(0_u32..60, 0..40),
    ) {
        let (secret, question) = ask(RUN, persons(&asked)).expect("asked");
        let answer = answer(&question, persons(&held)).expect("answered");
        let found = secret.open(&answer).expect("opened");
        let found: BTreeSet<String> = found.iter().map(|p| p.expose().to_owned()).collect();
        let of = |numbers: &[u32]| -> BTreeSet<String> {
            persons(numbers).iter().map(|p| p.expose().to_owned()).collect()
        };
        let (asked, held) = (of(&asked), of(&held));
        prop_assert_eq!(&found, &asked.intersection(&held).cloned().collect());
        prop_assert_eq!(question.asked.len(), asked.len(), "each is asked about once");
        prop_assert_eq!(answer.held.len(), held.len());
        let sorted = |points: &[Point]| points.windows(2).all(|two| two[0] < two[1]);
        prop_assert!(sorted(&question.asked) && sorted(&answer.held));
    }

    #[test]
    fn whatever_is_no_point_is_refused_by_its_place(junk: [u8; 32], at in 0_usize..3) {
        prop_assume!(CompressedRistretto(junk).decompress().is_none());
        let (secret, mut question) = ask(RUN, persons(&[1, 2, 3])).expect("asked");
        let mut answered = answer(&question, persons(&[1])).expect("answered");
        question.asked[at] = junk;
        prop_assert_eq!(answer(&question, Vec::new()), Err(Fault::NotAPoint { at }));
        answered.asked[at] = junk;
        prop_assert_eq!(secret.open(&answered).err(), Some(Fault::NotAPoint { at }));
    }
}

#[test]
fn two_runs_have_no_point_in_common() {
    let (_, first) = ask(RUN, persons(&[1, 2, 3])).expect("asked");
    let (_, second) = ask(RUN, persons(&[1, 2, 3])).expect("asked");
    let first: BTreeSet<Point> = first.asked.into_iter().collect();
    assert!(second.asked.iter().all(|point| !first.contains(point)));
    let held = |run| {
        answer(
            &Question {
                run,
                asked: Vec::new(),
            },
            persons(&[1]),
        )
    };
    assert_ne!(
        held(RUN).expect("answered").held,
        held(RUN).expect("answered").held
    );
}

#[test]
fn an_answer_to_something_else_is_refused() {
    let (secret, question) = ask(RUN, persons(&[1, 2])).expect("asked");
    let answered = answer(&question, persons(&[1])).expect("answered");
    let other = Answer {
        run: Uuid::from_u128(8),
        ..answered.clone()
    };
    assert_eq!(secret.open(&other).err(), Some(Fault::OtherRun));
    let mut short = answered.clone();
    short.asked.pop();
    let (expected, found) = (2, 1);
    assert_eq!(
        secret.open(&short).err(),
        Some(Fault::OtherNumber { expected, found })
    );
    // The neutral point would come back as itself, whatever it is multiplied by.
    let mut bare = answered;
    bare.asked[0] = [0; 32];
    assert_eq!(secret.open(&bare).err(), Some(Fault::NotAPoint { at: 0 }));
}

#[test]
fn points_of_many_are_in_the_order_of_their_persons() {
    // More than one piece on every core.
    let asked: Vec<u32> = (0..5_000).collect();
    let held: Vec<u32> = (4_990..5_010).collect();
    let (secret, question) = ask(RUN, persons(&asked)).expect("asked");
    let answer = answer(&question, persons(&held)).expect("answered");
    let found = secret.open(&answer).expect("opened");
    assert_eq!(found.len(), 10);
    let held: Vec<String> = persons(&held)
        .iter()
        .map(|p| p.expose().to_owned())
        .collect();
    assert!(found.iter().all(|p| held.contains(&p.expose().to_owned())));
}
