//! Commands on a case, from the wire into the core, and the free texts that stay out of the feed.
//!
//! A command is read twice: when somebody sends it and when the case is replayed. What is missing in
//! it is the guards' business, who tell everything at once; only what can't be read is a bad field.

use super::objection;
use chassis::decode::{Fields, codes};
use kernel::Code;
use proto::workflow::v1::{self as wire, command::Command as Wire};
use workflow_core::{Appraisal, Command, Correction, Declaration, Part, Proxy, Removal, Visit};

/// More signatures, photos or visitors than this belong into a second file.
const MOST: usize = 50;
/// Longest free text.
const TEXT_CHARS_MAX: usize = 2000;
/// Longest number or code that some office gave.
const LABEL_CHARS_MAX: usize = 100;

/// Reads a command; `None` when `f` holds why not.
pub fn read(f: &mut Fields, command: Option<&wire::Command>) -> Option<Command> {
    let Some(command) = command.and_then(|command| command.command.as_ref()) else {
        f.violation("command", "REQUIRED", "one command");
        return None;
    };
    f.within(field(command), |f| variant(f, command))
}

fn variant(f: &mut Fields, command: &Wire) -> Option<Command> {
    Some(match command {
        Wire::Authorise(c) => {
            let text_version = label(f, "text_version", &c.text_version);
            let evidence = hash(f, "evidence_sha256", &c.evidence_sha256);
            Command::Authorise {
                text_version: text_version?,
                evidence: evidence?,
            }
        }
        Wire::Verify(c) => Command::Verify(visit(f, c)?),
        Wire::FindNotQualified(c) => {
            let reason = coded(f, "reason_code", &c.reason_code);
            let told = f.date_optional("farmer_informed_on", &c.farmer_informed_on);
            text(f, "remark", &c.remark)?;
            Command::FindNotQualified {
                reason: reason?,
                farmer_informed: told,
            }
        }
        Wire::Appraise(c) => Command::Appraise(appraisal(f, c)?),
        Wire::PostNotice(c) => {
            let place = f.parse("place_id", &c.place_id);
            let posted = f.instant("posted_at", c.posted_at);
            let evidence = hash(f, "evidence_sha256", &c.evidence_sha256);
            Command::PostNotice {
                place: place?,
                posted: posted?,
                evidence: evidence?,
            }
        }
        Wire::RemoveNotice(c) => {
            let removal = removal(f, &c.place_id, c.removed_at, &c.evidence_sha256);
            Command::RemoveNotice(removal?)
        }
        Wire::CloseNotice(c) => {
            f.at_most("removals", c.removals.len(), MOST);
            let removals = c.removals.iter().take(MOST).enumerate();
            let removals = removals.map(|(at, c)| {
                f.within(format_args!("removals[{at}]"), |f| {
                    removal(f, &c.place_id, c.removed_at, &c.evidence_sha256)
                })
            });
            let removals: Vec<_> = removals.collect();
            Command::CloseNotice(removals.into_iter().collect::<Option<_>>()?)
        }
        Wire::SubmitVillageReport(c) => Command::SubmitVillageReport {
            evidence: hash(f, "evidence_sha256", &c.evidence_sha256)?,
        },
        Wire::ReviewByTownship(c) => {
            let opinion = text(f, "opinion", &c.opinion);
            let evidence = hash(f, "evidence_sha256", &c.evidence_sha256);
            Command::ReviewByTownship {
                regular: c.papers_regular,
                complete: c.papers_complete,
                opinion: opinion?,
                evidence: evidence?,
            }
        }
        Wire::ConfirmComparison(_) => Command::ConfirmComparison,
        Wire::Disqualify(c) => {
            let ground = coded(f, "ground", &c.ground);
            let reason = text(f, "reason", &c.reason);
            let told = f.date_optional("household_informed_on", &c.household_informed_on);
            let evidence = hash(f, "evidence_sha256", &c.evidence_sha256);
            Command::Disqualify {
                ground: ground?,
                reason: reason?,
                household_informed: told,
                evidence: evidence?,
            }
        }
        Wire::Approve(c) => {
            f.date_optional("announced_on", &c.announced_on);
            Command::Approve {
                decision_number: label(f, "decision_number", &c.decision_number)?,
            }
        }
        Wire::Enrol(c) => {
            let number = label(f, "national_number", &c.national_number)?;
            Command::Enrol {
                national_number: Some(number).filter(|number| !number.is_empty()),
            }
        }
        Wire::StartAssistance(_) => Command::StartAssistance,
        Wire::Track(_) => Command::Track,
        Wire::ResumeAssistance(_) => Command::ResumeAssistance,
        Wire::ProposeElimination(c) => Command::ProposeElimination {
            kind: f.code("kind", codes::elimination_kind(c.kind))?,
        },
        Wire::ReturnToAssistance(c) => {
            let reason = text(f, "reason", &c.reason);
            let next = f.date("next_review_on", &c.next_review_on);
            Command::ReturnToAssistance {
                reason: reason?,
                next_review: next?,
            }
        }
        Wire::File(c) => {
            let number = label(f, "document_number", &c.document_number);
            let evidence = hash(f, "evidence_sha256", &c.evidence_sha256);
            Command::File {
                document_number: number?,
                evidence: evidence?,
            }
        }
        Wire::Eliminate(c) => {
            let number = label(f, "filing_number", &c.filing_number);
            let name = f.text_optional("contact_name", &c.contact_name, LABEL_CHARS_MAX)?;
            let phone = f.text_optional("contact_phone", &c.contact_phone, 30)?;
            Command::Eliminate {
                filing_number: number?,
                contact_given: !name.is_empty() && !phone.is_empty(),
            }
        }
        Wire::FlagEmergency(c) => Command::FlagEmergency {
            event_reference: label(f, "event_reference", &c.event_reference)?,
        },
        Wire::CloseNatural(c) => {
            let reason = coded(f, "reason_code", &c.reason_code);
            let evidence = hash(f, "evidence_sha256", &c.evidence_sha256);
            Command::CloseNatural {
                reason: reason?,
                evidence: evidence?,
            }
        }
        Wire::Withdraw(c) => Command::Withdraw {
            statement: hash(f, "statement_sha256", &c.statement_sha256)?,
        },
        Wire::ReturnForCorrection(c) => Command::ReturnForCorrection(corrections(f, c)?),
        Wire::Appeal(c) => {
            let reason = text(f, "reason", &c.reason);
            let statement = hash(f, "statement_sha256", &c.statement_sha256);
            Command::Appeal {
                reason: reason?,
                statement: statement?,
            }
        }
        Wire::DecideAppeal(c) => {
            let outcome = coded(f, "outcome", &c.outcome);
            let reason = text(f, "reason", &c.reason);
            let told = f.date_optional("household_informed_on", &c.household_informed_on);
            let evidence = hash(f, "evidence_sha256", &c.evidence_sha256);
            Command::DecideAppeal {
                outcome: outcome?,
                reason: reason?,
                household_informed: told,
                evidence: evidence?,
            }
        }
        Wire::GrantOverride(c) => {
            let requirement = label(f, "requirement", &c.requirement);
            let reason = text(f, "reason", &c.reason);
            Command::GrantOverride {
                requirement: requirement?,
                reason: reason?,
            }
        }
        Wire::Object(c) => Command::Object(objection::object(f, c)?),
        Wire::Recheck(c) => Command::Recheck(objection::recheck(f, c)?),
        Wire::AnswerObjection(c) => Command::AnswerObjection(objection::answer(f, c)?),
    })
}

fn corrections(f: &mut Fields, c: &wire::ReturnForCorrection) -> Option<Vec<Correction>> {
    // Every part once.
    f.at_most("corrections", c.corrections.len(), Part::ALL.len());
    let sent = c.corrections.iter().take(Part::ALL.len()).enumerate();
    sent.map(|(at, correction)| {
        f.within(format_args!("corrections[{at}]"), |f| {
            let part = coded(f, "part", &correction.part);
            let remark = text(f, "remark", &correction.remark);
            Some(Correction {
                part: part?,
                remark: remark?,
            })
        })
    })
    .collect()
}

fn visit(f: &mut Fields, c: &wire::Verify) -> Option<Visit> {
    let visitors = accounts(f, "visitors", &c.visitors);
    let visited = f.date("visited_on", &c.visited_on);
    let evidence = hashes(f, "evidence_sha256", &c.evidence_sha256);
    Some(Visit {
        visitors: visitors?,
        visited: visited?,
        standard_met: c.standard_met,
        true_statement: c.true_statement,
        complete: c.complete,
        evidence: evidence?,
    })
}

fn appraisal(f: &mut Fields, c: &wire::Appraise) -> Option<Appraisal> {
    let held = f.date("held_on", &c.held_on);
    let present = c.attendance.unwrap_or_default();
    let [representatives, liaisons, cadres, committee, team] = [
        ("villager_representatives", present.villager_representatives),
        ("township_liaisons", present.township_liaisons),
        ("village_cadres", present.village_cadres),
        ("committee_members", present.committee_members),
        ("resident_team", present.resident_team),
    ]
    .map(|(field, number)| f.within("attendance", |f| count(f, field, number)));
    let [votes_for, votes_against, votes_abstained] = [
        ("votes_for", c.votes_for),
        ("votes_against", c.votes_against),
        ("votes_abstained", c.votes_abstained),
    ]
    .map(|(field, number)| count(f, field, number));
    let reason = text(f, "reason", &c.reason);
    let evidence = hashes(f, "evidence_sha256", &c.evidence_sha256);
    Some(Appraisal {
        held: held?,
        villager_representatives: representatives?,
        township_liaisons: liaisons?,
        village_cadres: cadres?,
        committee_members: committee?,
        resident_team: team?,
        votes_for: votes_for?,
        votes_against: votes_against?,
        votes_abstained: votes_abstained?,
        conflicts_declared: c.conflicts_declared,
        category: codes::category(c.category),
        reason: reason?,
        evidence: evidence?,
    })
}

/// Reads a declaration (T1).
pub fn declaration(f: &mut Fields, request: &wire::DeclareCaseRequest) -> Option<Declaration> {
    let channel = f.code("channel", codes::lead_channel(request.channel));
    f.at_most("risks", request.risks.len(), 12);
    let mut risks = Vec::new();
    for (at, risk) in request.risks.iter().take(12).enumerate() {
        let path = format!("risks[{at}]");
        f.within(path, |f| {
            let kind = f.code("type", codes::risk_type(risk.r#type));
            f.text_optional("sub_code", &risk.sub_code, 4);
            f.text_optional("remark", &risk.remark, 200);
            risks.extend(kind.filter(|kind| !risks.contains(kind)));
        });
    }
    let proxy = match &request.proxy {
        None => Some(None),
        Some(proxy) => f.within("proxy", |f| read_proxy(f, proxy)).map(Some),
    };
    let evidence = hashes(f, "evidence_sha256", &request.evidence_sha256);
    Some(Declaration {
        channel: channel?,
        risks,
        proxy: proxy?,
        evidence: evidence?,
    })
}

fn read_proxy(f: &mut Fields, proxy: &wire::declare_case_request::Proxy) -> Option<Proxy> {
    let relation = coded(f, "relation", &proxy.relation);
    let reason = f.text_optional("capacity_reason", &proxy.capacity_reason, 500);
    let will = hash(f, "will_statement_sha256", &proxy.will_statement_sha256);
    Some(Proxy {
        relation: relation?,
        capacity_reason: reason?,
        will_statement: will?,
    })
}

fn label(f: &mut Fields, field: &str, value: &str) -> Option<String> {
    f.text_optional(field, value, LABEL_CHARS_MAX)
}

/// What people write as they like.
pub fn text(f: &mut Fields, field: &str, value: &str) -> Option<String> {
    f.text_optional(field, value, TEXT_CHARS_MAX)
}

fn coded<C: Code>(f: &mut Fields, field: &str, value: &str) -> Option<C> {
    f.code(field, C::parse(value).ok())
}

/// A hash that is missing is the guards' business.
pub fn hash(f: &mut Fields, field: &str, value: &str) -> Option<String> {
    if value.is_empty() {
        return Some(String::new());
    }
    f.sha256(field, value)
}

fn removal(
    f: &mut Fields,
    place_id: &str,
    removed_at: Option<prost_types::Timestamp>,
    evidence_sha256: &str,
) -> Option<Removal> {
    let place = f.parse("place_id", place_id);
    let removed = f.instant("removed_at", removed_at);
    let evidence = hash(f, "evidence_sha256", evidence_sha256);
    Some(Removal {
        place: place?,
        removed: removed?,
        evidence: evidence?,
    })
}

/// Hashes of papers.
pub fn hashes(f: &mut Fields, field: &str, values: &[String]) -> Option<Vec<String>> {
    f.at_most(field, values.len(), MOST);
    let values = values.iter().take(MOST).enumerate();
    values
        .map(|(at, value)| f.sha256(&format!("{field}[{at}]"), value))
        .collect()
}

/// Accounts, never names: what the issuer of tokens calls somebody.
pub fn accounts(f: &mut Fields, field: &str, values: &[String]) -> Option<Vec<String>> {
    f.at_most(field, values.len(), MOST);
    let values = values.iter().take(MOST).enumerate();
    values
        .map(|(at, value)| f.text_optional(&format!("{field}[{at}]"), value, LABEL_CHARS_MAX))
        .collect()
}

/// Nobody gathers a million people in a village.
pub fn count(f: &mut Fields, field: &str, number: i32) -> Option<u32> {
    let found = u32::try_from(number).ok().filter(|n| *n <= 1_000_000);
    if found.is_none() {
        f.violation(field, "COUNT", "a number from 0 to 1000000");
    }
    found
}

/// Takes the free texts out of a command, each with its field's name.
pub fn take_texts(command: &mut wire::Command) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    each_text(command, |field, text| {
        if !text.is_empty() {
            texts.push((field.to_owned(), std::mem::take(text)));
        }
    });
    texts
}

/// Puts the free texts back. What was objected, and by whom, is for fewer eyes than a case's events.
pub fn restore_texts(command: &mut wire::Command, texts: &[(String, String)]) {
    if matches!(&command.command, Some(Wire::Object(_))) {
        return;
    }
    each_text(command, |field, text| {
        if let Some((_, stored)) = texts.iter().find(|(name, _)| name == field) {
            text.clone_from(stored);
        }
    });
}

/// Every field of a command in which people write as they like. A reference to an event is no such
/// text: it names a disaster.
fn each_text(command: &mut wire::Command, mut visit: impl FnMut(&str, &mut String)) {
    match &mut command.command {
        Some(Wire::FindNotQualified(c)) => visit("remark", &mut c.remark),
        Some(Wire::Appraise(c)) => visit("reason", &mut c.reason),
        Some(Wire::ReviewByTownship(c)) => visit("opinion", &mut c.opinion),
        Some(Wire::Disqualify(c)) => visit("reason", &mut c.reason),
        Some(Wire::ReturnToAssistance(c)) => visit("reason", &mut c.reason),
        Some(Wire::ReturnForCorrection(c)) => {
            for (at, correction) in c.corrections.iter_mut().enumerate() {
                visit(&format!("corrections[{at}].remark"), &mut correction.remark);
            }
        }
        Some(Wire::Appeal(c)) => visit("reason", &mut c.reason),
        Some(Wire::DecideAppeal(c)) => visit("reason", &mut c.reason),
        Some(Wire::GrantOverride(c)) => visit("reason", &mut c.reason),
        Some(Wire::Object(c)) => {
            visit("text", &mut c.text);
            visit("contact", &mut c.contact);
        }
        Some(Wire::AnswerObjection(c)) => visit("reason", &mut c.reason),
        _ => {}
    }
}

/// Takes the free texts out of a declaration.
pub fn take_declared_texts(request: &mut wire::DeclareCaseRequest) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    for (at, risk) in request.risks.iter_mut().enumerate() {
        texts.push((
            format!("risks[{at}].remark"),
            std::mem::take(&mut risk.remark),
        ));
    }
    if let Some(proxy) = &mut request.proxy {
        let reason = std::mem::take(&mut proxy.capacity_reason);
        texts.push(("proxy.capacity_reason".to_owned(), reason));
    }
    texts.retain(|(_, text)| !text.is_empty());
    texts
}

/// Puts the free texts of a declaration back.
pub fn restore_declared_texts(request: &mut wire::DeclareCaseRequest, texts: &[(String, String)]) {
    let stored = |field: &str| texts.iter().find(|(name, _)| name == field);
    for (at, risk) in request.risks.iter_mut().enumerate() {
        if let Some((_, text)) = stored(&format!("risks[{at}].remark")) {
            risk.remark.clone_from(text);
        }
    }
    if let Some(proxy) = &mut request.proxy
        && let Some((_, text)) = stored("proxy.capacity_reason")
    {
        proxy.capacity_reason.clone_from(text);
    }
}

/// Path of a command's fields, as the contract calls it.
const fn field(command: &Wire) -> &'static str {
    match command {
        Wire::Authorise(_) => "command.authorise",
        Wire::Verify(_) => "command.verify",
        Wire::FindNotQualified(_) => "command.find_not_qualified",
        Wire::Appraise(_) => "command.appraise",
        Wire::PostNotice(_) => "command.post_notice",
        Wire::RemoveNotice(_) => "command.remove_notice",
        Wire::CloseNotice(_) => "command.close_notice",
        Wire::SubmitVillageReport(_) => "command.submit_village_report",
        Wire::ReviewByTownship(_) => "command.review_by_township",
        Wire::ConfirmComparison(_) => "command.confirm_comparison",
        Wire::Disqualify(_) => "command.disqualify",
        Wire::Approve(_) => "command.approve",
        Wire::Enrol(_) => "command.enrol",
        Wire::StartAssistance(_) => "command.start_assistance",
        Wire::Track(_) => "command.track",
        Wire::ResumeAssistance(_) => "command.resume_assistance",
        Wire::ProposeElimination(_) => "command.propose_elimination",
        Wire::ReturnToAssistance(_) => "command.return_to_assistance",
        Wire::File(_) => "command.file",
        Wire::Eliminate(_) => "command.eliminate",
        Wire::FlagEmergency(_) => "command.flag_emergency",
        Wire::CloseNatural(_) => "command.close_natural",
        Wire::Withdraw(_) => "command.withdraw",
        Wire::ReturnForCorrection(_) => "command.return_for_correction",
        Wire::Appeal(_) => "command.appeal",
        Wire::DecideAppeal(_) => "command.decide_appeal",
        Wire::GrantOverride(_) => "command.grant_override",
        Wire::Object(_) => "command.object",
        Wire::Recheck(_) => "command.recheck",
        Wire::AnswerObjection(_) => "command.answer_objection",
    }
}
