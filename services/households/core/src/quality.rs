//! Data-quality findings of severity ERROR (8.3): while there is one, a household cannot be
//! verified (T3).

use chrono::NaiveDate;
use kernel::{Money, RiskType};

use crate::{
    member::{LABOUR_AGE, Member, spouse},
    risk::Risk,
};

/// What the findings look at.
#[derive(Debug, Clone, Copy)]
pub struct Picture<'a> {
    /// Everybody in the household.
    pub members: &'a [Member],
    /// Its risks.
    pub risks: &'a [Risk],
    /// Compliant out-of-pocket spending of the window.
    pub compliant_oop: Money,
}

/// Stable codes of what is wrong, in a fixed order, each once.
#[must_use]
pub fn errors(picture: &Picture<'_>, day: NaiveDate) -> Vec<&'static str> {
    let members = picture.members;
    let any = |test: &dyn Fn(&Member) -> bool| members.iter().any(test);
    let age = |member: &Member| member.id_number.age_on(day);
    let has = |kind: RiskType| picture.risks.iter().any(|risk| risk.kind == kind);
    let labour = |member: &Member| member.labour.is_some_and(|labour| labour.can_work());
    let disabled = any(&|m| m.health.contains('残'));
    let ill = any(&|m| m.health.contains('病'));
    let head = members.iter().find(|member| member.is_head);
    let same_sex = head.is_some_and(|head| {
        spouse(members).is_some_and(|spouse| spouse.id_number.sex() == head.id_number.sex())
    });
    let working = members.iter().filter(|member| labour(member)).count();

    let findings = [
        ("HEAD_MISSING", head.is_none()),
        (
            "RELATION_MISSING",
            any(&|m| m.relation.is_empty() && !m.is_head),
        ),
        ("HEALTH_MISSING", any(&|m| m.health.is_empty())),
        (
            "LABOUR_MISSING",
            any(&|m| m.labour.is_none() && age(m) >= LABOUR_AGE),
        ),
        (
            "LABOUR_UNDER_SIXTEEN",
            any(&|m| labour(m) && age(m) < LABOUR_AGE),
        ),
        ("SPOUSE_SAME_SEX", same_sex),
        (
            "DISABILITY_WITHOUT_DISABLED",
            has(RiskType::Disability) && !disabled,
        ),
        (
            "ILLNESS_WITHOUT_ILL",
            has(RiskType::Illness) && !ill && picture.compliant_oop == Money::ZERO,
        ),
        (
            "LABOUR_SHORTAGE_WITH_LABOUR",
            has(RiskType::LabourShortage) && !is_short(working, members.len()),
        ),
        (
            "UNSTABLE_JOB_WITHOUT_LABOUR",
            has(RiskType::UnstableJob) && working == 0,
        ),
    ];
    let found = findings.into_iter().filter(|(_, found)| *found);
    found.map(|(code, _)| code).collect()
}

/// 8.3: labour is short while at most a quarter can work, or half of four or more.
const fn is_short(working: usize, members: usize) -> bool {
    working * 4 <= members || (members >= 4 && working * 2 <= members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::tests::member;

    fn found(members: &[Member], risks: &[RiskType], oop: i64) -> Vec<&'static str> {
        let risks: Vec<Risk> = risks
            .iter()
            .map(|&kind| Risk {
                kind,
                sub_code: String::new(),
                remark: String::new(),
            })
            .collect();
        let picture = Picture {
            members,
            risks: &risks,
            compliant_oop: Money::from_yuan(oop),
        };
        errors(&picture, "2026-08-31".parse().expect("a day"))
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut head = member(1, "19800101", "户主");
        assert!(found(std::slice::from_ref(&head), &[], 0).is_empty());
        head.is_head = false;
        head.relation.clear();
        head.health.clear();
        head.labour = None;
        assert_eq!(
            found(&[head], &[], 0),
            [
                "HEAD_MISSING",
                "RELATION_MISSING",
                "HEALTH_MISSING",
                "LABOUR_MISSING"
            ]
        );
    }

    #[test]
    fn risks_need_somebody_they_fit() {
        let mut head = member(1, "19800101", "户主");
        let all = [
            RiskType::Disability,
            RiskType::Illness,
            RiskType::LabourShortage,
        ];
        assert_eq!(
            found(std::slice::from_ref(&head), &all, 0),
            [
                "DISABILITY_WITHOUT_DISABLED",
                "ILLNESS_WITHOUT_ILL",
                "LABOUR_SHORTAGE_WITH_LABOUR"
            ]
        );
        assert_eq!(
            found(std::slice::from_ref(&head), &[RiskType::Illness], 50_000).len(),
            0
        );
        head.health = "残疾、患有大病".to_owned();
        head.labour = Some(kernel::LabourCapacity::Lost);
        assert!(found(std::slice::from_ref(&head), &all, 0).is_empty());
        assert_eq!(
            found(&[head], &[RiskType::UnstableJob], 0),
            ["UNSTABLE_JOB_WITHOUT_LABOUR"]
        );
    }

    #[test]
    fn spouses_and_children() {
        // The 17th digit says the sex: 1 and 3 are male.
        let head = member(1, "19800101", "户主");
        let spouse = member(3, "19810101", "配偶");
        let child = member(4, "20150101", "之子");
        assert_eq!(
            found(&[head, spouse, child], &[], 0),
            ["LABOUR_UNDER_SIXTEEN", "SPOUSE_SAME_SEX"]
        );
    }
}
