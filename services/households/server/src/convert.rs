//! Between the domain and the wire. What a role may not see is masked here and nowhere else.

use chassis::{
    clock::timestamp,
    decode::{code_of, codes},
};
use households_core::{
    assessment::Assessment,
    authorisation::CheckOutcome,
    change,
    guarantee::Finding,
    income::{Entry, IncomeGroup, IncomeSource},
    member::{Member, masked_name},
    notice_place::NoticePlace,
    relative::{Relative, Tie},
    risk::Risk,
};
use kernel::{Code, DivisionLevel, HouseholdId, IdNumber, LabourCapacity, Role};
use proto::{households::v1 as wire, r#type::v1 as shared};

use crate::store::{
    authorisation::Stored, change::Recorded, division::Division, household::Household, line::Line,
};

/// How much a caller may see.
#[derive(Debug, Clone, Copy)]
pub struct View {
    personal: bool,
}

impl View {
    /// What `role` may see.
    pub const fn of(role: Role) -> Self {
        Self {
            personal: role.sees_personal_data(),
        }
    }

    fn name(self, name: &str) -> String {
        if self.personal {
            name.to_owned()
        } else {
            masked_name(name)
        }
    }

    fn number(self, number: &IdNumber) -> String {
        if self.personal {
            number.expose().to_owned()
        } else {
            number.masked()
        }
    }

    fn personal(self, text: &str) -> String {
        if self.personal {
            text.to_owned()
        } else {
            String::new()
        }
    }
}

fn text<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn number(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

pub fn risk(risk: &Risk) -> shared::Risk {
    shared::Risk {
        r#type: codes::risk_type_to_proto(risk.kind),
        sub_code: risk.sub_code.clone(),
        remark: risk.remark.clone(),
    }
}

pub fn household(household: &Household, view: View) -> wire::Household {
    let profile = &household.profile;
    wire::Household {
        id: household.id.to_string(),
        national_number: profile.national_number.clone(),
        division_code: profile.division.to_string(),
        group_number: number(profile.group_number),
        origin: codes::origin_to_proto(profile.origin),
        lifted_year: profile.lifted_year.unwrap_or(0),
        head_name: view.name(&household.head_name),
        phone: view.personal(&profile.phone),
        address: view.personal(&profile.address),
        relocation_site_id: text(profile.relocation_site),
        member_count: number(household.member_count),
        risks: profile
            .risks
            .iter()
            .map(|r| shared::Risk {
                remark: view.personal(&r.remark),
                ..risk(r)
            })
            .collect(),
        subject_class: codes::subject_class_to_proto(household.subject_class),
        category: household.category.map_or(0, codes::category_to_proto),
        version: household.version,
        create_time: Some(timestamp(household.created_at)),
        update_time: Some(timestamp(household.updated_at)),
    }
}

pub fn member(household: HouseholdId, member: &Member, view: View) -> wire::Member {
    let id_number = &member.id_number;
    wire::Member {
        person_id: member.person.to_string(),
        household_id: household.to_string(),
        name: view.name(&member.name),
        id_number: view.number(id_number),
        sex: codes::sex_to_proto(id_number.sex()),
        birth_date: id_number.birth_date().to_string(),
        relation: member.relation.clone(),
        is_head: member.is_head,
        registered: member.standing.registered,
        resident: member.standing.resident,
        shares_income: member.standing.shares_income,
        labour_capacity: member.labour.map_or(0, |labour: LabourCapacity| {
            codes::labour_capacity_to_proto(labour)
        }),
        health: view.personal(&member.health),
        schooling: member.schooling.clone(),
        medically_insured: member.medically_insured,
        guardian_person_id: text(member.guardian),
        social_security: member.social_security,
    }
}

pub fn division(division: &Division) -> wire::Division {
    let level = match division.code.level() {
        DivisionLevel::County => wire::DivisionLevel::County,
        DivisionLevel::Township => wire::DivisionLevel::Township,
        DivisionLevel::Village => wire::DivisionLevel::Village,
    };
    let group = |group: &crate::store::division::Group| wire::VillageGroup {
        number: number(group.number),
        name: group.name.clone(),
    };
    wire::Division {
        code: division.code.to_string(),
        name: division.name.clone(),
        level: level.into(),
        parent_code: text(division.code.parent()),
        valid_from: division.valid_from.to_string(),
        valid_to: text(division.valid_to),
        groups: division.groups.iter().map(group).collect(),
        merged_into_code: text(division.merged_into),
    }
}

pub fn notice_place(place: &NoticePlace) -> wire::NoticePlace {
    wire::NoticePlace {
        id: place.id.to_string(),
        division_code: place.division.to_string(),
        kind: codes::notice_place_kind_to_proto(place.kind),
        name: place.name.clone(),
        household_count: number(place.household_count),
        required: place.is_required(),
        valid_from: place.valid_from.to_string(),
        valid_to: text(place.valid_to),
    }
}

pub fn line(line: &Line) -> wire::MonitoringLine {
    wire::MonitoringLine {
        division_code: line.line.division.to_string(),
        effective_from: line.line.effective_from.to_string(),
        amount_fen: line.line.amount.fen(),
        legal_basis: line.legal_basis.clone(),
    }
}

pub fn finding(finding: &Finding) -> wire::GuaranteeFinding {
    wire::GuaranteeFinding {
        guarantee: codes::guarantee_to_proto(finding.guarantee),
        status: codes::guarantee_status_to_proto(finding.status),
        checked_on: finding.checked_on.to_string(),
        remark: finding.remark.clone(),
    }
}

pub fn assessment(household: HouseholdId, a: &Assessment) -> wire::Assessment {
    wire::Assessment {
        household_id: household.to_string(),
        as_of: a.as_of.to_string(),
        window_from: a.window.from.to_string(),
        window_to: a.window.to.to_string(),
        income_complete: a.income_complete,
        heads: number(a.heads),
        net_income_fen: a.net.fen(),
        net_pc_fen: a.net_pc.fen(),
        reference_pc_fen: a.reference_pc.fen(),
        line_fen: a.line.map_or(0, |line| line.fen()),
        net_below_line: a.net_below_line(),
        reference_below_line: a.reference_below_line(),
        category: a.category.map_or(0, codes::category_to_proto),
        guarantees: a.guarantees.iter().map(finding).collect(),
        guarantees_complete: a.guarantees_complete,
        guarantees_safe: a.guarantees_safe,
        no_labour: a.no_labour,
        above_line_since: text(a.above_line_since),
    }
}

/// Reads a wire income group; `None` when unspecified or unknown.
pub fn income_group(value: i32) -> Option<IncomeGroup> {
    let name = wire::IncomeGroup::try_from(value).ok()?.as_str_name();
    code_of(name, "INCOME_GROUP")
}

/// Reads a wire income source; `None` when unspecified or unknown.
pub fn income_source(value: i32) -> Option<IncomeSource> {
    let name = wire::IncomeSource::try_from(value).ok()?.as_str_name();
    code_of(name, "INCOME_SOURCE")
}

pub fn entry(entry: &Entry) -> wire::IncomeEntry {
    let group = format!("INCOME_GROUP_{}", entry.group.as_str());
    let source = format!("INCOME_SOURCE_{}", entry.source.as_str());
    wire::IncomeEntry {
        month: entry.from.to_string(),
        group: wire::IncomeGroup::from_str_name(&group).map_or(0, Into::into),
        kind: entry.kind.clone(),
        amount_fen: entry.amount.fen(),
        source: wire::IncomeSource::from_str_name(&source).map_or(0, Into::into),
    }
}

pub fn authorisation(stored: &Stored) -> wire::Authorisation {
    let a = &stored.authorisation;
    wire::Authorisation {
        id: a.id.to_string(),
        household_id: stored.household.to_string(),
        person_id: a.person.to_string(),
        signed_by_person_id: a.signed_by.to_string(),
        items: a
            .items
            .iter()
            .map(|i| codes::item_kind_to_proto(*i))
            .collect(),
        purpose: a.purpose.clone(),
        text_version: a.text_version.clone(),
        signed_on: a.signed_on.to_string(),
        expires_on: a.expires_on.to_string(),
        withdrawn_on: text(a.withdrawn_on),
        evidence_sha256: a.evidence_sha256.clone(),
        by_fingerprint: a.by_fingerprint,
        checked_on: text(a.check.as_ref().map(|check| check.on)),
        checked_by: text(a.check.as_ref().map(|check| &check.by)),
        check_outcome: a.check.as_ref().map_or(0, |check| match check.outcome {
            CheckOutcome::InOrder => wire::CheckOutcome::InOrder.into(),
            CheckOutcome::Defective => wire::CheckOutcome::Defective.into(),
        }),
        check_note: text(a.check.as_ref().map(|check| &check.note)),
    }
}

pub fn relative(household: HouseholdId, relative: &Relative, view: View) -> wire::Relative {
    let id_number = &relative.id_number;
    let tie = match relative.tie {
        Tie::Child => wire::Tie::Child,
        Tie::ChildsSpouse => wire::Tie::ChildsSpouse,
        Tie::Supporter => wire::Tie::Supporter,
    };
    wire::Relative {
        person_id: relative.person.to_string(),
        household_id: household.to_string(),
        name: view.name(&relative.name),
        id_number: view.number(id_number),
        tie: tie.into(),
        excused_reason: view.personal(&relative.excused_reason),
    }
}

pub fn recorded(recorded: &Recorded, view: View) -> wire::Change {
    let value = |value: &str| {
        if view.personal {
            value.to_owned()
        } else {
            change::masked(&recorded.field, value)
        }
    };
    wire::Change {
        at: Some(timestamp(recorded.at)),
        actor: recorded.actor.clone(),
        role: recorded.role.clone(),
        entity: recorded.entity.clone(),
        field: recorded.field.clone(),
        old_value: value(&recorded.old_value),
        new_value: value(&recorded.new_value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_s_own_codes_survive_the_wire() {
        for value in 1..=7 {
            assert!(income_group(value).is_some(), "group {value}");
        }
        for value in 1..=4 {
            assert!(income_source(value).is_some(), "source {value}");
        }
        for value in [-1, 0, 99] {
            assert_eq!((income_group(value), income_source(value)), (None, None));
        }
    }
}
