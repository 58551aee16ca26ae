//! What the neighbours know, in the core's terms, and as the record of what the guards saw.

use anyhow::Context;
use chassis::decode::codes;
use kernel::{Code, Money};
use proto::{comparison, households, measures};
use workflow_core::{ComparisonFacts, Facts, HouseholdFacts, MeasureFacts, Needs};

use super::{day, read_day};

pub fn household(facts: households::v1::CaseFacts) -> anyhow::Result<HouseholdFacts> {
    let assessment = facts.assessment.context("no assessment")?;
    let places = facts.required_places.iter().map(|place| place.id.parse());
    Ok(HouseholdFacts {
        origin: codes::origin(facts.origin),
        income_complete: assessment.income_complete,
        net_pc: Money::from_fen(assessment.net_pc_fen),
        reference_pc: Money::from_fen(assessment.reference_pc_fen),
        line: Some(assessment.line_fen)
            .filter(|fen| *fen > 0)
            .map(Money::from_fen),
        above_line_since: read_day(&assessment.above_line_since).context("above_line_since")?,
        guarantees_complete: assessment.guarantees_complete,
        guarantees_safe: assessment.guarantees_safe,
        no_labour: assessment.no_labour,
        social_security_in_place: facts.social_security_in_place,
        persons_to_authorise: count(facts.persons_to_authorise),
        persons_authorised: count(facts.persons_authorised),
        items_covered: facts
            .items_covered
            .into_iter()
            .filter_map(codes::item_kind)
            .collect(),
        required_places: places
            .collect::<Result<_, _>>()
            .context("required_places")?,
        quality_errors: facts.quality_errors,
    })
}

pub fn comparison(facts: comparison::v1::CaseFacts) -> anyhow::Result<ComparisonFacts> {
    Ok(ComparisonFacts {
        complete: facts.complete,
        items_missing: facts
            .items_missing
            .into_iter()
            .filter_map(codes::item_kind)
            .collect(),
        persons_left_out: count(facts.persons_left_out),
        oldest_data: read_day(&facts.oldest_data_date).context("oldest_data_date")?,
        hard_flaws_open: count(facts.hard_flaws_open),
        hard_flaws_confirmed: count(facts.hard_flaws_confirmed),
        reviews_open: count(facts.reviews_open),
    })
}

pub fn measures(facts: measures::v1::CaseFacts) -> anyhow::Result<MeasureFacts> {
    let risks = |risks: Vec<i32>| risks.into_iter().filter_map(codes::risk_type).collect();
    Ok(MeasureFacts {
        has_responsible: facts.has_responsible,
        risks_planned: risks(facts.risks_planned),
        risks_delivered: risks(facts.risks_delivered),
        risks_closed: risks(facts.risks_closed),
        planned_elimination: read_day(&facts.planned_elimination_on)
            .context("planned_elimination_on")?,
        development_delivered: facts.development_delivered,
        social_security_delivered: facts.social_security_delivered,
    })
}

/// Nobody counts below zero; a neighbour that does has counted nothing.
fn count(number: i32) -> u32 {
    u32::try_from(number).unwrap_or_default()
}

/// What the guards saw, as `name=value` in a fixed order. No names, no ID numbers.
pub fn provenance(facts: &Facts, needs: Needs) -> Vec<String> {
    let mut seen = Vec::new();
    let mut note = |name: &str, value: &dyn std::fmt::Display| {
        seen.push(format!("{name}={value}"));
    };
    if needs.household {
        let h = &facts.household;
        note("origin", &h.origin.map_or("", |origin| origin.as_str()));
        note("income_complete", &h.income_complete);
        note("net_pc_fen", &h.net_pc.fen());
        note("reference_pc_fen", &h.reference_pc.fen());
        note("line_fen", &h.line.map_or(0, Money::fen));
        note("above_line_since", &day(h.above_line_since));
        note("guarantees_complete", &h.guarantees_complete);
        note("guarantees_safe", &h.guarantees_safe);
        note("no_labour", &h.no_labour);
        note("social_security_in_place", &h.social_security_in_place);
        note("persons_to_authorise", &h.persons_to_authorise);
        note("persons_authorised", &h.persons_authorised);
        note("items_covered", &listed(&h.items_covered));
        note("required_places", &listed(&h.required_places));
        note("quality_errors", &listed(&h.quality_errors));
    }
    if needs.comparison {
        let opened = facts.comparison.is_some();
        let c = facts.comparison.clone().unwrap_or_default();
        note("comparison_opened", &opened);
        note("comparison_complete", &c.complete);
        note("items_missing", &listed(&c.items_missing));
        note("persons_left_out", &c.persons_left_out);
        note("oldest_data", &day(c.oldest_data));
        note("hard_flaws_open", &c.hard_flaws_open);
        note("hard_flaws_confirmed", &c.hard_flaws_confirmed);
        note("reviews_open", &c.reviews_open);
    }
    if needs.measures {
        let m = &facts.measures;
        note("has_responsible", &m.has_responsible);
        note("risks_planned", &listed(&m.risks_planned));
        note("risks_delivered", &listed(&m.risks_delivered));
        note("risks_closed", &listed(&m.risks_closed));
        note("planned_elimination", &day(m.planned_elimination));
        note("development_delivered", &m.development_delivered);
        note("social_security_delivered", &m.social_security_delivered);
    }
    seen
}

fn listed(values: &[impl ToString]) -> String {
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    values.join("|")
}
