//! How many commands one core decides in a second, facts given.

use std::{hint::black_box, time::Duration};

use anyhow::{Context, ensure};
use chrono::{Days, NaiveDate};
use kernel::{
    Category, Code, EliminationKind, ItemKind, LeadChannel, Money, NoticePlaceId, Origin, RiskType,
    Role,
};
use uuid::Uuid;
use workflow_core::{
    Actor, Appraisal, Case, CaseState, Command, ComparisonFacts, DEFAULT, Declaration, Facts,
    History, HouseholdFacts, MeasureFacts, Removal, SHIPPED, Visit, decide, declare,
};

use crate::{
    figure::{Target, note},
    measure::{median, of_thread},
};

/// Commands that are allowed, for one that is refused.
const ALLOWED: usize = 4;
/// Every question so many times in one measurement, which is then about half a second.
const ROUNDS: usize = 5_000;
const MEASUREMENTS: usize = 7;

/// Something to decide, and how that ends.
struct Question {
    case: Case,
    command: Command,
    facts: Facts,
    actor: Actor,
    today: NaiveDate,
    allowed: bool,
}

impl Question {
    fn decide(&self, command: Command) -> bool {
        let decision = decide(&self.case, command, &self.facts, &self.actor, self.today);
        black_box(&decision).is_ok()
    }
}

pub fn run() -> anyhow::Result<()> {
    let questions = questions()?;
    for question in &questions {
        let answer = question.decide(question.command.clone());
        ensure!(
            answer == question.allowed,
            "{} in {} was to be {}",
            question.command.step(),
            question.case.state,
            if question.allowed {
                "allowed"
            } else {
                "refused"
            }
        );
    }
    let refused = questions.iter().filter(|q| !q.allowed).count();
    note(&format!(
        "decide: {} commands along the main line of {DEFAULT}, {refused} of them refused",
        questions.len()
    ));
    let rates: anyhow::Result<Vec<f64>> = (0..MEASUREMENTS).map(|_| measured(&questions)).collect();
    let rate = median(rates?);
    super::print(
        "decide",
        "decisions/s",
        rate,
        None,
        Target::AtLeast(500_000.0),
    );
    Ok(())
}

/// Decisions in a second of CPU time. That a command is there to be decided is not part of it, that
/// the answer goes away is.
fn measured(questions: &[Question]) -> anyhow::Result<f64> {
    let mut spent = Duration::ZERO;
    for _ in 0..ROUNDS / 100 {
        let batches: Vec<Vec<Command>> = (0..100)
            .map(|_| questions.iter().map(|q| q.command.clone()).collect())
            .collect();
        let began = of_thread()?;
        for batch in batches {
            for (question, command) in questions.iter().zip(batch) {
                black_box(question.decide(command));
            }
        }
        spent += of_thread()? - began;
    }
    Ok((questions.len() * ROUNDS) as f64 / spent.as_secs_f64())
}

/// Every move of a case's life from authorisation to elimination: the right command by the right
/// person, and, once for every [`ALLOWED`] of these, one that is refused.
fn questions() -> anyhow::Result<Vec<Question>> {
    let mut today: NaiveDate = "2026-03-02".parse()?;
    let mut facts = in_need(today);
    let mut case = declared(today)?;
    let mut questions = Vec::new();
    for (days, command) in main_line() {
        today = today + Days::new(days);
        if let Some(comparison) = &mut facts.comparison {
            comparison.oldest_data = Some(today);
        }
        let command = command(today);
        if matches!(command, Command::ProposeElimination { .. }) {
            recover(&mut facts, today);
        }
        let step = case.template.nearest(command.step(), case.state);
        let role = step.context("a step")?.roles[0];
        let question = |command: &Command, role: Role, allowed| Question {
            case: case.clone(),
            command: command.clone(),
            facts: facts.clone(),
            actor: actor(role),
            today,
            allowed,
        };
        questions.extend((0..ALLOWED).map(|_| question(&command, role, true)));
        questions.push(match questions.len() / ALLOWED % 3 {
            // By somebody whose move it is not.
            0 => question(&command, Role::DisciplineInspection, false),
            // Long before its time.
            1 => question(
                &file(),
                Role::TownshipLeader,
                case.state == CaseState::ElimNoticeClosed,
            ),
            // With papers and facts missing.
            _ => Question {
                facts: Facts::default(),
                ..question(
                    &Command::Enrol {
                        national_number: None,
                    },
                    Role::VillageCadre,
                    false,
                )
            },
        });
        let decision = decide(&case, command, &facts, &actor(role), today);
        let decision = decision.map_err(|refusal| anyhow::anyhow!("{refusal}"))?;
        case.apply(&decision.event);
    }
    ensure!(
        case.state == CaseState::RiskEliminated,
        "ended in {}",
        case.state
    );
    Ok(questions)
}

type Make = fn(NaiveDate) -> Command;

/// The moves of a life, with the days before each.
fn main_line() -> Vec<(u64, Make)> {
    fn visit(today: NaiveDate) -> Command {
        Command::Verify(Visit {
            visitors: vec!["village_cadre".to_owned(), "grid_worker".to_owned()],
            visited: today,
            standard_met: true,
            true_statement: true,
            complete: true,
            evidence: vec![hash()],
        })
    }
    fn meeting(today: NaiveDate) -> Command {
        Command::Appraise(Appraisal {
            held: today,
            villager_representatives: 15,
            township_liaisons: 1,
            village_cadres: 2,
            committee_members: 3,
            resident_team: 1,
            votes_for: 14,
            votes_abstained: 1,
            conflicts_declared: true,
            category: Some(Category::SuddenHardship),
            evidence: vec![hash()],
            ..Appraisal::default()
        })
    }
    fn post(place: NoticePlaceId, posted: NaiveDate) -> Command {
        Command::PostNotice {
            place,
            posted: kernel::day_start(posted),
            evidence: hash(),
        }
    }
    fn close(removed: NaiveDate) -> Command {
        let removal = |number| Removal {
            place: place(number),
            removed: kernel::day_start(removed),
            evidence: hash(),
        };
        Command::CloseNotice(vec![removal(1), removal(2)])
    }
    vec![
        (0, |_| Command::Authorise {
            text_version: "2026-1".to_owned(),
            evidence: hash(),
        }),
        (1, visit),
        (1, |_| Command::ListForWarning),
        (1, meeting),
        (0, |today| post(place(1), today)),
        (0, |today| post(place(2), today)),
        (7, close),
        (0, |_| Command::SubmitVillageReport { evidence: hash() }),
        (1, |_| Command::ReviewByTownship {
            regular: true,
            complete: true,
            opinion: "同意".to_owned(),
            evidence: hash(),
        }),
        (2, |_| Command::ConfirmComparison),
        (1, |_| Command::Enrol {
            national_number: None,
        }),
        (9, |_| Command::StartAssistance),
        (185, |_| Command::ProposeElimination {
            kind: EliminationKind::ByAssistance,
        }),
        (1, visit),
        (1, meeting),
        (0, |today| post(place(1), today)),
        (0, |today| post(place(2), today)),
        (7, close),
        (1, |_| file()),
        (1, |_| Command::Eliminate {
            filing_number: "2026-7".to_owned(),
            contact_given: true,
        }),
    ]
}

fn file() -> Command {
    Command::File {
        document_number: "青政发〔2026〕7号".to_owned(),
        evidence: hash(),
    }
}

fn hash() -> String {
    "63d792f085121fa6b2968117b8bd618e72299e2579e8f50a45212732827f1d9f".to_owned()
}

fn place(number: u128) -> NoticePlaceId {
    NoticePlaceId(Uuid::from_u128(number))
}

/// An account of its own for every role.
fn actor(role: Role) -> Actor {
    Actor {
        account: role.as_str().to_lowercase(),
        role,
        on_behalf_of: None,
    }
}

fn declared(today: NaiveDate) -> anyhow::Result<Case> {
    let template = SHIPPED.iter().find(|template| template.id == DEFAULT);
    let template = template.context("the default template")?;
    let declaration = Declaration {
        channel: LeadChannel::SelfDeclaration,
        risks: vec![RiskType::Illness],
        proxy: None,
        evidence: vec![hash()],
    };
    let cadre = actor(Role::VillageCadre);
    let decision = declare(declaration, History::default(), &cadre, template, today);
    let decision = decision.map_err(|refusal| anyhow::anyhow!("{refusal}"))?;
    Case::begin(&decision.event, template.clone()).context("a declaration begins a case")
}

/// A household hit by illness, for which everything is in order.
fn in_need(today: NaiveDate) -> Facts {
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

/// The risk is gone.
fn recover(facts: &mut Facts, today: NaiveDate) {
    facts.household.reference_pc = Money::from_yuan(12_000);
    facts.household.above_line_since = today.checked_sub_days(Days::new(190));
    facts.measures.risks_closed = vec![RiskType::Illness];
}
