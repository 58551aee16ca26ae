//! Table and property tests of the rules, named by the rule ids.

mod assist;
mod deadlines;
mod gate;
mod identify;
mod leads;
mod meeting;
mod notice;
mod objection;
mod properties;
mod public_notice;
mod queues;
mod remedy;
mod template;

use std::sync::Arc;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use kernel::{
    Category, Code, EliminationKind, ItemKind, LeadChannel, Money, NoticePlaceId, Origin, Refusal,
    RiskType, Role,
};
use uuid::Uuid;

use crate::*;

/// A template that comes with the program.
pub fn shipped(id: &str) -> Arc<Template> {
    let found = SHIPPED.iter().find(|template| template.id == id);
    found.expect("a shipped template").clone()
}

pub fn township2021() -> Arc<Template> {
    shipped(DEFAULT)
}

pub fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

pub fn place(number: u128) -> NoticePlaceId {
    NoticePlaceId(Uuid::from_u128(number))
}

/// An account of its own for every role.
pub fn actor(role: Role) -> Actor {
    Actor {
        account: role.as_str().to_lowercase(),
        role,
        on_behalf_of: None,
    }
}

pub fn declaration() -> Declaration {
    Declaration {
        channel: LeadChannel::SelfDeclaration,
        risks: vec![RiskType::Illness],
        proxy: None,
        evidence: vec!["form".to_owned()],
    }
}

/// A household hit by illness (scenario 1), for which everything is in order.
pub fn in_need(today: NaiveDate) -> Facts {
    Facts {
        household: HouseholdFacts {
            origin: Some(Origin::General),
            income_complete: true,
            net_pc: Money::from_yuan(16_080),
            reference_pc: Money::from_yuan(6_080),
            line: Some(Money::from_yuan(8_700)),
            guarantees_complete: true,
            guarantees_safe: true,
            persons_to_authorise: 3,
            persons_authorised: 3,
            items_covered: ItemKind::ALL.to_vec(),
            required_places: vec![place(1), place(2)],
            ..HouseholdFacts::default()
        },
        comparison: Some(ComparisonFacts {
            complete: true,
            oldest_data: Some(today),
            ..ComparisonFacts::default()
        }),
        measures: MeasureFacts {
            has_responsible: true,
            risks_planned: vec![RiskType::Illness],
            risks_delivered: vec![RiskType::Illness],
            planned_elimination: today.checked_add_days(Days::new(200)),
            development_delivered: true,
            ..MeasureFacts::default()
        },
    }
}

/// The same household when the risk is gone.
pub fn recovered(today: NaiveDate) -> Facts {
    let mut facts = in_need(today);
    facts.household.reference_pc = Money::from_yuan(12_000);
    facts.household.above_line_since = today.checked_sub_days(Days::new(190));
    facts.measures.risks_closed = vec![RiskType::Illness];
    facts
}

pub fn visit(today: NaiveDate) -> Visit {
    Visit {
        visitors: vec!["village_cadre".to_owned(), "grid_worker".to_owned()],
        visited: today,
        standard_met: true,
        true_statement: true,
        complete: true,
        evidence: vec!["form".to_owned()],
    }
}

pub fn meeting(today: NaiveDate) -> Appraisal {
    Appraisal {
        held: today,
        villager_representatives: 15,
        township_liaisons: 1,
        village_cadres: 2,
        committee_members: 3,
        resident_team: 1,
        votes_for: 14,
        votes_against: 0,
        votes_abstained: 1,
        conflicts_declared: true,
        category: Some(Category::SuddenHardship),
        reason: String::new(),
        evidence: vec!["minutes".to_owned()],
    }
}

/// Noon of a day in the county.
pub fn noon(day: NaiveDate) -> DateTime<Utc> {
    kernel::day_start(day) + TimeDelta::hours(12)
}

pub fn taken_down(place: NoticePlaceId, on: NaiveDate) -> Removal {
    Removal {
        place,
        removed: noon(on),
        evidence: "photo".to_owned(),
    }
}

/// A well-formed command for a move.
pub fn command(step: Move, today: NaiveDate) -> Command {
    let text = || "given".to_owned();
    match step {
        Move::Declare => Command::Declare(declaration()),
        Move::Authorise => Command::Authorise {
            text_version: text(),
            evidence: text(),
        },
        Move::Verify => Command::Verify(visit(today)),
        Move::FindNotQualified => Command::FindNotQualified {
            reason: NotQualified::NoRisk,
            farmer_informed: Some(today),
        },
        Move::ListForWarning => Command::ListForWarning,
        Move::Appraise => Command::Appraise(meeting(today)),
        Move::PostNotice => Command::PostNotice {
            place: place(1),
            posted: noon(today),
            evidence: text(),
        },
        Move::RemoveNotice => Command::RemoveNotice(taken_down(place(1), today)),
        Move::CloseNotice => Command::CloseNotice(vec![
            taken_down(place(1), today),
            taken_down(place(2), today),
        ]),
        Move::SubmitVillageReport => Command::SubmitVillageReport { evidence: text() },
        Move::ReviewByTownship => Command::ReviewByTownship {
            regular: true,
            complete: true,
            opinion: text(),
            evidence: text(),
        },
        Move::ConfirmComparison => Command::ConfirmComparison,
        Move::Disqualify => Command::Disqualify {
            ground: DisqualificationGround::FalseInformation,
            reason: text(),
            household_informed: Some(today),
            evidence: text(),
        },
        Move::Approve => Command::Approve {
            decision_number: text(),
        },
        Move::Enrol => Command::Enrol {
            national_number: None,
        },
        Move::StartAssistance => Command::StartAssistance,
        Move::Track => Command::Track,
        Move::ResumeAssistance => Command::ResumeAssistance,
        Move::ProposeElimination => Command::ProposeElimination {
            kind: EliminationKind::ByAssistance,
        },
        Move::ReturnToAssistance => Command::ReturnToAssistance {
            reason: text(),
            next_review: today + Days::new(90),
        },
        Move::File => Command::File {
            document_number: text(),
            evidence: text(),
        },
        Move::Eliminate => Command::Eliminate {
            filing_number: text(),
            contact_given: true,
        },
        Move::FlagEmergency => Command::FlagEmergency {
            event_reference: text(),
        },
        Move::CloseNatural => Command::CloseNatural {
            reason: NaturalEnd::Moved,
            evidence: text(),
        },
        Move::Withdraw => Command::Withdraw { statement: text() },
        Move::ReturnForCorrection => Command::ReturnForCorrection(vec![Correction {
            part: Part::Minutes,
            remark: text(),
        }]),
        Move::Appeal => Command::Appeal {
            reason: text(),
            statement: text(),
        },
        Move::DecideAppeal => Command::DecideAppeal {
            outcome: AppealOutcome::Granted,
            reason: text(),
            household_informed: Some(today),
            evidence: text(),
        },
        Move::GrantOverride => Command::GrantOverride {
            requirement: "HOLD_MONTHS".to_owned(),
            reason: "the family has moved to its daughter".to_owned(),
        },
        Move::Object => Command::Object(Objecting {
            channel: ObjectionChannel::InPerson,
            anonymous: true,
            received: today,
            text: text(),
            contact_given: false,
        }),
        Move::Recheck => Command::Recheck(Recheck {
            visitors: vec!["township_leader".to_owned(), "township_clerk".to_owned()],
            visited: today,
            evidence: vec![text()],
        }),
        Move::AnswerObjection => Command::AnswerObjection(Answering {
            numbers: vec![1],
            verdict: Verdict::Dismissed,
            reason: text(),
            informed: Some(today),
            household_informed: Some(today),
            next_review: Some(today + Days::new(90)),
            evidence: text(),
        }),
    }
}

/// The move of the main line that comes next.
pub fn next_on_the_main_line(case: &Case) -> Option<Move> {
    // What is objected comes first.
    let objected = match case.objections.open().next() {
        Some(_) if case.objections.open().any(Objection::is_answerable) => Move::AnswerObjection,
        Some(_) => Move::Recheck,
        None => Move::Declare,
    };
    if case.template.step(objected, Some(case.state)).is_some() {
        return Some(objected);
    }
    let hangs = matches!(case.state, CaseState::OnNotice | CaseState::ElimOnNotice);
    let is_next = |step: &Move| match step {
        Move::PostNotice => !hangs,
        Move::SubmitVillageReport => !case.village_reported,
        Move::Track | Move::ResumeAssistance => false,
        step => step.leads_on(),
    };
    let mut steps = case.template.steps_from(case.state).map(|s| s.step);
    steps.find(is_next)
}

/// The first role that may make a move; somebody without any where the procedure has no such move.
pub fn first_role(case: &Case, step: Move) -> Role {
    let step = case.template.nearest(step, case.state);
    step.map_or(Role::CountyApprover, |step| step.roles[0])
}

/// A case on its way, day by day.
pub struct Walk {
    pub case: Case,
    pub facts: Facts,
    pub today: NaiveDate,
}

impl Walk {
    pub fn declared() -> Self {
        Self::on(township2021())
    }

    /// A declared case on a template.
    pub fn on(template: Arc<Template>) -> Self {
        let today = day("2026-03-02");
        let declared = declare(
            declaration(),
            History::default(),
            &actor(Role::VillageCadre),
            &template,
            today,
        );
        let event = declared.expect("declared").event;
        let case = Case::begin(&event, template).expect("a declaration");
        Self {
            case,
            facts: in_need(today),
            today,
        }
    }

    /// Along the main line, as fast as it goes.
    pub fn to(state: CaseState) -> Self {
        Self::declared().until(state)
    }

    pub fn until(mut self, state: CaseState) -> Self {
        while self.case.state != state {
            self = self.onward();
        }
        self
    }

    /// One move along the main line.
    pub fn onward(mut self) -> Self {
        let step = next_on_the_main_line(&self.case).expect("the case is on the main line");
        self.prepare(step);
        let command = self.well_formed(step);
        self.act(command)
            .unwrap_or_else(|refusal| panic!("{step}: {refusal}"));
        self
    }

    /// What the next move of the main line needs besides its command.
    fn prepare(&mut self, step: Move) {
        match step {
            Move::CloseNotice => self.later(7),
            Move::ProposeElimination => {
                self.later(185);
                self.facts = recovered(self.today);
            }
            _ => {}
        }
    }

    pub fn later(&mut self, days: u64) {
        self.today = self.today + Days::new(days);
        if let Some(comparison) = &mut self.facts.comparison {
            comparison.oldest_data = Some(self.today);
        }
    }

    /// A well-formed command here: a notice goes to the next place that is free, and every objection
    /// that can be answered is.
    pub fn well_formed(&self, step: Move) -> Command {
        let free = |place: &&NoticePlaceId| {
            self.case
                .notice
                .as_ref()
                .is_none_or(|notice| notice.hanging(**place).is_none())
        };
        let answerable = self.case.objections.open().filter(|o| o.is_answerable());
        let answerable: Vec<u32> = answerable.map(|o| o.number).collect();
        match (
            command(step, self.today),
            self.facts.household.required_places.iter().find(free),
        ) {
            (
                Command::PostNotice {
                    posted, evidence, ..
                },
                Some(place),
            ) => Command::PostNotice {
                place: *place,
                posted,
                evidence,
            },
            (Command::CloseNotice(bare), _) => {
                let hanging = self.case.notice.iter().flat_map(Notice::hanging_anywhere);
                let removals: Vec<_> = hanging
                    .map(|posting| taken_down(posting.place, self.today))
                    .collect();
                // Where nothing hangs, as somebody would send it all the same.
                Command::CloseNotice(if removals.is_empty() { bare } else { removals })
            }
            (Command::AnswerObjection(answering), _) if !answerable.is_empty() => {
                Command::AnswerObjection(Answering {
                    numbers: answerable,
                    ..answering
                })
            }
            (command, _) => command,
        }
    }

    pub fn decide(&self, command: Command) -> Result<Decision, Refusal> {
        let role = first_role(&self.case, command.step());
        decide(&self.case, command, &self.facts, &actor(role), self.today)
    }

    pub fn act(&mut self, command: Command) -> Result<Event, Refusal> {
        let event = self.decide(command)?.event;
        self.case.apply(&event);
        Ok(event)
    }

    /// The well-formed command of a move.
    pub fn make(&mut self, step: Move) -> Result<Event, Refusal> {
        self.act(self.well_formed(step))
    }

    /// Rules and codes that are unmet.
    pub fn refused(&self, command: Command) -> Vec<String> {
        let refusal = self.decide(command).expect_err("must be refused");
        refusal
            .unmet
            .iter()
            .map(|r| format!("{} {}", r.rule, r.code))
            .collect()
    }
}
