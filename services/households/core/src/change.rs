//! Who changed what: the old and the new value of every field (REG-13, S57).

use kernel::{Code, Money, Month, Origin};

use crate::{
    guarantee::Finding,
    household::Profile,
    income::{Entry, IncomeGroup},
    member::{Member, masked_name},
    risk::Risk,
};

/// One field's change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What was changed: `household`, `member`, `relative`, `income`, `guarantee`, `authorisation`.
    pub entity: &'static str,
    /// Which field of it.
    pub field: String,
    /// Before; empty when there was nothing.
    pub old: String,
    /// After; empty when nothing is left.
    pub new: String,
}

impl Change {
    /// A change.
    #[must_use]
    pub fn new(
        entity: &'static str,
        field: impl Into<String>,
        old: impl Into<String>,
        new: impl Into<String>,
    ) -> Self {
        Self {
            entity,
            field: field.into(),
            old: old.into(),
            new: new.into(),
        }
    }
}

/// Collects the fields that differ.
struct Differences {
    entity: &'static str,
    prefix: String,
    changes: Vec<Change>,
}

impl Differences {
    fn compare(&mut self, field: &str, old: impl ToString, new: impl ToString) {
        let (old, new) = (old.to_string(), new.to_string());
        if old != new {
            let field = format!("{}{field}", self.prefix);
            self.changes.push(Change::new(self.entity, field, old, new));
        }
    }
}

fn text<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// Risks as one text.
#[must_use]
pub fn risks_text(risks: &[Risk]) -> String {
    let one = |risk: &Risk| {
        let mut text = risk.kind.to_string();
        for part in [&risk.sub_code, &risk.remark] {
            if !part.is_empty() {
                text = format!("{text} {part}");
            }
        }
        text
    };
    risks.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// What differs between two states of a household.
#[must_use]
pub fn of_household(old: &Profile, new: &Profile) -> Vec<Change> {
    let mut d = Differences {
        entity: "household",
        prefix: String::new(),
        changes: Vec::new(),
    };
    let origin = |origin: Origin| origin.to_string();
    d.compare(
        "national_number",
        &old.national_number,
        &new.national_number,
    );
    d.compare("division_code", old.division, new.division);
    d.compare("group_number", old.group_number, new.group_number);
    d.compare("origin", origin(old.origin), origin(new.origin));
    d.compare("lifted_year", text(old.lifted_year), text(new.lifted_year));
    d.compare("phone", &old.phone, &new.phone);
    d.compare("address", &old.address, &new.address);
    d.compare(
        "relocation_site",
        text(old.relocation_site),
        text(new.relocation_site),
    );
    d.compare("risks", risks_text(&old.risks), risks_text(&new.risks));
    d.changes
}

/// What differs between two states of a member. ID numbers are masked.
#[must_use]
pub fn of_member(old: &Member, new: &Member) -> Vec<Change> {
    let mut d = Differences {
        entity: "member",
        prefix: format!("{}.", new.person),
        changes: Vec::new(),
    };
    d.compare("name", &old.name, &new.name);
    if old.id_number != new.id_number {
        let (old, new) = (old.id_number.masked(), new.id_number.masked());
        let field = format!("{}id_number", d.prefix);
        d.changes.push(Change::new("member", field, old, new));
    }
    d.compare("relation", &old.relation, &new.relation);
    d.compare("is_head", old.is_head, new.is_head);
    d.compare(
        "registered",
        old.standing.registered,
        new.standing.registered,
    );
    d.compare("resident", old.standing.resident, new.standing.resident);
    d.compare(
        "shares_income",
        old.standing.shares_income,
        new.standing.shares_income,
    );
    d.compare("labour_capacity", text(old.labour), text(new.labour));
    d.compare("health", &old.health, &new.health);
    d.compare("schooling", &old.schooling, &new.schooling);
    d.compare(
        "medically_insured",
        old.medically_insured,
        new.medically_insured,
    );
    d.compare("social_security", old.social_security, new.social_security);
    d.compare("guardian_person_id", text(old.guardian), text(new.guardian));
    d.changes
}

/// Somebody became a member.
#[must_use]
pub fn joined(member: &Member) -> Change {
    let field = format!("{}.member", member.person);
    Change::new("member", field, "", member.name.clone())
}

/// Somebody is a member no more.
#[must_use]
pub fn left(member: &Member) -> Change {
    let field = format!("{}.member", member.person);
    Change::new("member", field, member.name.clone(), "")
}

/// A finding, and the one that stood before it.
#[must_use]
pub fn of_finding(old: Option<&Finding>, new: &Finding) -> Change {
    let text = |finding: &Finding| format!("{} {}", finding.status, finding.checked_on);
    let old = old.map(text).unwrap_or_default();
    Change::new("guarantee", new.guarantee.to_string(), old, text(new))
}

/// What the ledger says of the months from..=to, before and after: sums of the groups that have any.
#[must_use]
pub fn of_ledger(from: Month, to: Month, old: &[Entry], new: &[Entry]) -> Change {
    let text = |entries: &[Entry]| {
        let sums = IncomeGroup::ALL.iter().map(|group| {
            let of_group = entries.iter().filter(|entry| entry.group == *group);
            let sum: Money = of_group.map(|entry| entry.share(from, to)).sum();
            (*group, sum)
        });
        let sums = sums.filter(|(_, sum)| *sum != Money::ZERO);
        let texts: Vec<String> = sums.map(|(group, sum)| format!("{group} {sum}")).collect();
        texts.join("; ")
    };
    Change::new("income", format!("{from}..{to}"), text(old), text(new))
}

/// What a role without sight of personal data sees of a value.
#[must_use]
pub fn masked(field: &str, value: &str) -> String {
    match field.rsplit('.').next().unwrap_or(field) {
        _ if value.is_empty() => String::new(),
        "name" | "member" => masked_name(value),
        "phone" | "address" | "health" | "risks" | "remark" | "reason" => "***".to_owned(),
        _ => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{household::tests::profile, member::tests::member};

    #[test]
    fn names_what_differs_and_nothing_else() {
        let old = profile();
        let new = Profile {
            phone: "13911111111".to_owned(),
            group_number: 4,
            ..profile()
        };
        let changes = of_household(&old, &new);
        let fields: Vec<&str> = changes.iter().map(|c| c.field.as_str()).collect();
        assert_eq!(fields, ["group_number", "phone"]);
        assert!(of_household(&old, &profile()).is_empty());
    }

    #[test]
    fn an_id_number_is_never_kept_in_full() {
        let old = member(1, "19800101", "户主");
        let new = member(2, "19800101", "户主");
        let changes = of_member(&old, &new);
        let change = changes.iter().find(|c| c.field.ends_with("id_number"));
        let change = change.expect("a change");
        assert!(change.old.contains("********") && change.new.contains("********"));
        assert!(!change.old.contains("19800101"));
    }

    #[test]
    fn a_ledger_tells_the_sums_of_its_months() {
        let from: Month = "2026-01".parse().expect("a month");
        let entry = |group, yuan| Entry {
            from,
            months: 12,
            group,
            kind: String::new(),
            amount: Money::from_yuan(yuan),
            source: crate::income::IncomeSource::Declared,
        };
        let new = [
            entry(IncomeGroup::Wage, 1_200),
            entry(IncomeGroup::Wage, 2_400),
            entry(IncomeGroup::CompliantOop, 12),
        ];
        let change = of_ledger(from, from, &[], &new);
        assert_eq!(change.field, "2026-01..2026-01");
        assert_eq!(change.old, "");
        assert_eq!(change.new, "WAGE 300.00; COMPLIANT_OOP 1.00");
    }

    #[test]
    fn others_see_stars() {
        assert_eq!(masked("x.name", "张三"), "张*");
        assert_eq!(masked("phone", "13900000000"), "***");
        assert_eq!(masked("group_number", "3"), "3");
        assert_eq!(masked("phone", ""), "");
    }
}
