//! A case: the fold of its events.

use std::sync::Arc;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Utc};
use kernel::{
    CaseId, Category, Code, DivisionCode, EliminationKind, NoticeKind, NoticePlaceId, RiskType,
    local_date,
};

use crate::{
    claim::Claim,
    command::{AppealOutcome, Command, Part, Removal},
    due::Alarm,
    guard::overridable,
    objection::{Objections, Verdict},
    state::{CaseState, Duty},
    template::{Hold, Template},
};

/// Something that happened to a case: what, where to, when, by whom, and what it took from the
/// facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub what: What,
    /// State after it.
    pub to: CaseState,
    /// Day in the county on which it was decided.
    pub on: NaiveDate,
    /// Account that decided.
    pub actor: String,
    /// Account in whose place it decided, as a deputy (ORG-4).
    pub on_behalf_of: Option<String>,
    /// What the case keeps of the facts that were seen.
    pub noted: Noted,
}

/// What happened to a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Somebody decided a command.
    Decided(Command),
    /// The result set of the comparison arrived and is on the record. Decides nothing.
    ComparisonDelivered,
    /// A limit is near or has passed, and people were told (WF-7). Decides nothing.
    AlarmRaised {
        /// How urgent it is.
        alarm: Alarm,
        /// The limit.
        due: NaiveDate,
    },
    /// Somebody is busy with the current task from now on (WF-12). Decides nothing.
    Claimed {
        /// Who, and until when.
        claim: Claim,
        /// Who had it until then.
        from: Option<String>,
    },
    /// The current task is free again. Decides nothing.
    Released,
    /// The village became part of another, and the case with it (ORG-1). Decides nothing.
    VillageMerged {
        /// The village in which it lay.
        from: DivisionCode,
    },
    /// The household lives in another village, and the case goes with it (REG-12). Decides nothing: who
    /// has a turn there goes on from where it stands.
    HouseholdMoved {
        /// The village in which it lay.
        from: DivisionCode,
    },
}

/// A fact that a case keeps, because its life depends on what it was at the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noted {
    /// None.
    Nothing,
    /// Of a declaration: the eliminated case that it follows (T18).
    RelapseOf(CaseId),
    /// Of a notice: places where it has to hang (S30).
    RequiredPlaces(Vec<NoticePlaceId>),
    /// Of an enrolment: the planned day (S36).
    PlannedElimination(NaiveDate),
    /// Requirements that were unmet and let pass by a second person.
    LetPass(Vec<&'static str>),
}

impl Event {
    /// Who stands behind it: who acted, then in whose place.
    #[must_use]
    pub fn persons(&self) -> Vec<String> {
        let acted = std::iter::once(self.actor.clone());
        acted.chain(self.on_behalf_of.clone()).collect()
    }

    /// Hashes of the papers that it names.
    #[must_use]
    pub fn papers(&self) -> Vec<String> {
        let What::Decided(command) = &self.what else {
            return Vec::new();
        };
        command.papers().into_iter().map(str::to_owned).collect()
    }

    /// The event's name: the state that it led to, or what was done without leading anywhere.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match &self.what {
            What::ComparisonDelivered => "COMPARISON_DELIVERED",
            What::AlarmRaised { .. } => "ALARM_RAISED",
            What::Claimed { from: None, .. } => "CLAIMED",
            What::Claimed { claim, .. } if claim.account == self.actor => "TAKEN_OVER",
            What::Claimed { .. } => "HANDED_OVER",
            What::Released => "RELEASED",
            What::VillageMerged { .. } => "VILLAGE_MERGED",
            What::HouseholdMoved { .. } => "HOUSEHOLD_MOVED",
            What::Decided(Command::PostNotice { .. }) => "NOTICE_POSTED",
            What::Decided(Command::RemoveNotice(_)) => "NOTICE_REMOVED",
            What::Decided(Command::SubmitVillageReport { .. }) => "VILLAGE_REPORTED",
            What::Decided(Command::FlagEmergency { .. }) => "EMERGENCY_FLAGGED",
            What::Decided(Command::GrantOverride { .. }) => "OVERRIDE_GRANTED",
            What::Decided(Command::DecideAppeal { outcome, .. }) => match outcome {
                AppealOutcome::Granted => "APPEAL_GRANTED",
                AppealOutcome::Rejected => "APPEAL_REJECTED",
            },
            What::Decided(Command::Object(_)) => "OBJECTED",
            What::Decided(Command::Recheck(_)) => "RECHECKED",
            What::Decided(Command::AnswerObjection(answer))
                if answer.verdict == Verdict::Dismissed =>
            {
                "OBJECTION_ANSWERED"
            }
            What::Decided(_) => self.to.as_str(),
        }
    }
}

/// A notice at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// The place.
    pub place: NoticePlaceId,
    /// Since when.
    pub posted: DateTime<Utc>,
    /// Hash of the photo.
    pub evidence: String,
    /// How it came down; absent while it hangs.
    pub removal: Option<Removal>,
}

impl Posting {
    /// Whether it has not come down.
    #[must_use]
    pub const fn hangs(&self) -> bool {
        self.removal.is_none()
    }
}

/// The public notice of a case (S29–S31).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What it announces.
    pub kind: NoticeKind,
    /// Every posting, also those that came down.
    pub postings: Vec<Posting>,
    /// Places where it has to hang (S30).
    pub required: Vec<NoticePlaceId>,
    /// Day of the posting that completed all required places.
    pub clock_started: Option<NaiveDate>,
}

impl Notice {
    /// The posting that hangs at a place now.
    #[must_use]
    pub fn hanging(&self, place: NoticePlaceId) -> Option<&Posting> {
        self.postings.iter().find(|p| p.place == place && p.hangs())
    }

    /// Every posting that hangs now.
    pub fn hanging_anywhere(&self) -> impl Iterator<Item = &Posting> {
        self.postings.iter().filter(|p| p.hangs())
    }

    fn take_down(&mut self, removal: &Removal) {
        let hanging = self.postings.iter_mut().filter(|p| p.hangs());
        for posting in hanging.filter(|p| p.place == removal.place) {
            posting.removal = Some(removal.clone());
        }
    }
}

/// How a case ended against its household.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Where it stood.
    pub from: CaseState,
    /// What it ended as.
    pub to: CaseState,
    /// When.
    pub on: NaiveDate,
    /// Accounts that stand behind the decision.
    pub by: Vec<String>,
}

/// Something that a second person let pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// Code of the requirement.
    pub requirement: &'static str,
    /// Accounts that stand behind it, the one that granted it first.
    pub by: Vec<String>,
    /// When.
    pub on: NaiveDate,
    /// Whether the move that needed it was made.
    pub used: bool,
}

/// A case as its events have made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Where it stands.
    pub state: CaseState,
    /// The template that it began with, and finishes on.
    pub template: Arc<Template>,
    /// The risk points.
    pub risks: Vec<RiskType>,
    /// Category proposed by the appraisal, fixed at enrolment.
    pub category: Option<Category>,
    /// Day of the declaration.
    pub declared: NaiveDate,
    /// Day on which the last step was really made: what follows was not before it.
    pub reached: NaiveDate,
    /// Accounts that visited for the identification or the elimination.
    pub visitors: Vec<String>,
    /// Accounts that decided for the township; of a deputy both persons (ORG-3).
    pub reviewers: Vec<String>,
    /// Accounts that decided for the county; of a deputy both persons (ORG-3).
    pub deciders: Vec<String>,
    /// Who is busy with the current task (WF-12); may have expired.
    pub claim: Option<Claim>,
    /// The notice that runs or ran last.
    pub notice: Option<Notice>,
    /// Objections to its notices (T7o).
    pub objections: Objections,
    /// The village has reported (S32).
    pub village_reported: bool,
    /// Day of enrolment.
    pub enrolled: Option<NaiveDate>,
    /// Planned day of elimination (S36).
    pub planned_elimination: Option<NaiveDate>,
    /// Day on which a case that was returned is looked at again (S42).
    pub next_review: Option<NaiveDate>,
    /// How the risk went away.
    pub elimination_kind: Option<EliminationKind>,
    /// Number of the township document (S41).
    pub document_number: Option<String>,
    /// Day of elimination.
    pub eliminated: Option<NaiveDate>,
    /// Day since which help comes before the papers (T12e).
    pub emergency: Option<NaiveDate>,
    /// The eliminated case that it follows (T18).
    pub relapse_of: Option<CaseId>,
    /// The last alarm, and the limit that it was about.
    pub alarmed: Option<(NaiveDate, Alarm)>,
    /// Parts of the papers that were sent back and are not put right yet (T8r).
    pub corrections: Vec<Part>,
    /// How it ended against the household; stays while an appeal runs.
    pub ended: Option<Ended>,
    /// Whether the household has appealed. It can do so once.
    pub has_appealed: bool,
    /// What a second person let pass.
    pub overrides: Vec<Override>,
    /// Code of the reason for which it ended.
    pub closed_reason: Option<&'static str>,
    /// Number of events.
    pub version: i64,
}

impl Case {
    /// The case that begins with `event`; `None` when that is no declaration.
    #[must_use]
    pub fn begin(event: &Event, template: Arc<Template>) -> Option<Self> {
        let What::Decided(Command::Declare(declaration)) = &event.what else {
            return None;
        };
        Some(Self {
            state: event.to,
            template,
            risks: declaration.risks.clone(),
            category: None,
            declared: event.on,
            reached: event.on,
            visitors: Vec::new(),
            reviewers: Vec::new(),
            deciders: Vec::new(),
            claim: None,
            notice: None,
            objections: Objections::default(),
            village_reported: false,
            enrolled: None,
            planned_elimination: None,
            next_review: None,
            elimination_kind: None,
            document_number: None,
            eliminated: None,
            emergency: None,
            relapse_of: match event.noted {
                Noted::RelapseOf(case) => Some(case),
                _ => None,
            },
            alarmed: None,
            corrections: Vec::new(),
            ended: None,
            has_appealed: false,
            overrides: Vec::new(),
            closed_reason: None,
            version: 1,
        })
    }

    /// The case after all of `events`; `None` when they do not begin with a declaration.
    #[must_use]
    pub fn replay(events: &[Event], template: Arc<Template>) -> Option<Self> {
        let (first, rest) = events.split_first()?;
        let mut case = Self::begin(first, template)?;
        for event in rest {
            case.apply(event);
        }
        Some(case)
    }

    /// The case after one more event.
    pub fn apply(&mut self, event: &Event) {
        self.version += 1;
        match &event.what {
            What::Decided(command) => {
                if event.to != self.state {
                    self.reached = event.on;
                    self.claim = None;
                }
                if let Noted::LetPass(passed) = &event.noted {
                    let granted = self.overrides.iter_mut();
                    for used in granted.filter(|own| passed.contains(&own.requirement)) {
                        used.used = true;
                    }
                }
                if event.to.is_against() && self.state != CaseState::Appealed {
                    self.ended = Some(Ended {
                        from: self.state,
                        to: event.to,
                        on: event.on,
                        by: event.persons(),
                    });
                }
                self.note_duty(command, event);
                self.take_over(command, event);
            }
            What::AlarmRaised { alarm, due } => self.alarmed = Some((*due, *alarm)),
            What::Claimed { claim, .. } => self.claim = Some(claim.clone()),
            What::Released => self.claim = None,
            What::HouseholdMoved { .. } => self.move_house(),
            What::ComparisonDelivered | What::VillageMerged { .. } => {}
        }
        self.claim = self.claim.take().filter(|claim| claim.lasts(event.on));
        self.objections.settle(event.to, event.on);
        self.state = event.to;
    }

    /// Whoever had claimed it answers for another village, and a notice that hangs there tells none of
    /// the new neighbours: its days count from when it hangs here (S30, S31).
    fn move_house(&mut self) {
        self.claim = None;
        let hangs = matches!(self.state, CaseState::OnNotice | CaseState::ElimOnNotice);
        if let Some(notice) = self.notice.as_mut().filter(|_| hangs) {
            notice.clock_started = None;
        }
    }

    /// Who stands behind a decision; of a deputy both persons.
    fn note_duty(&mut self, command: &Command, event: &Event) {
        let noted = match command.step().duty() {
            Duty::Free => return,
            Duty::Township => &mut self.reviewers,
            Duty::County => &mut self.deciders,
        };
        noted.extend(event.persons());
    }

    /// Everybody who visited or decided, each once.
    #[must_use]
    pub fn took_part(&self) -> Vec<String> {
        let rechecked = &self.objections.recheckers;
        let mut all = [
            &self.visitors[..],
            rechecked,
            &self.reviewers,
            &self.deciders,
        ]
        .concat();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn take_over(&mut self, command: &Command, event: &Event) {
        match command {
            Command::Verify(visit) => {
                let persons = visit.persons(&event.actor, event.on_behalf_of.as_ref());
                self.visitors.extend(persons);
                self.reached = visit.visited;
            }
            Command::FindNotQualified { reason, .. } => self.closed_reason = Some(reason.as_str()),
            Command::Appraise(meeting) => {
                self.reached = meeting.held;
                self.notice = None;
                if event.to == CaseState::NotQualified {
                    self.closed_reason = Some("VOTED_AGAINST");
                }
                if !self.state.is_eliminating() {
                    self.category = meeting.category;
                }
            }
            Command::PostNotice {
                place,
                posted,
                evidence,
            } => {
                self.post(*place, *posted, evidence, event);
            }
            Command::RemoveNotice(removal) => {
                if let Some(notice) = &mut self.notice {
                    notice.take_down(removal);
                    notice.clock_started = None;
                }
            }
            Command::CloseNotice(removals) => {
                if let Some(notice) = &mut self.notice {
                    removals
                        .iter()
                        .for_each(|removal| notice.take_down(removal));
                }
                let last = removals.iter().map(|removal| removal.removed).max();
                self.reached = last.map_or(event.on, local_date);
            }
            Command::SubmitVillageReport { .. } => {
                self.village_reported = true;
                self.corrections.clear();
            }
            Command::ReturnForCorrection(corrections) => {
                self.village_reported = false;
                self.corrections = corrections.iter().map(|c| c.part).collect();
            }
            Command::Appeal { .. } => self.has_appealed = true,
            Command::DecideAppeal { outcome, .. } => {
                if *outcome == AppealOutcome::Granted {
                    (self.ended, self.closed_reason) = (None, None);
                }
            }
            Command::GrantOverride { requirement, .. } => {
                let granted = overridable(requirement).map(|requirement| Override {
                    requirement,
                    by: event.persons(),
                    on: event.on,
                    used: false,
                });
                self.overrides.extend(granted);
            }
            Command::Disqualify { ground, .. } => self.closed_reason = Some(ground.as_str()),
            Command::Enrol { .. } => {
                self.enrolled = Some(event.on);
                if let Noted::PlannedElimination(day) = event.noted {
                    self.planned_elimination = Some(day);
                }
            }
            Command::ProposeElimination { kind } => {
                self.elimination_kind = Some(*kind);
                self.next_review = None;
            }
            Command::ReturnToAssistance { next_review, .. } => {
                self.elimination_kind = None;
                self.next_review = Some(*next_review);
            }
            Command::File {
                document_number, ..
            } => {
                self.document_number = Some(document_number.clone());
            }
            Command::Eliminate { .. } => self.eliminated = Some(event.on),
            Command::FlagEmergency { .. } => self.emergency = Some(event.on),
            Command::CloseNatural { reason, .. } => self.closed_reason = Some(reason.as_str()),
            Command::Withdraw { .. } => self.closed_reason = Some("OWN_STATEMENT"),
            Command::Object(objecting) => self.objections.receive(objecting, self.version),
            Command::Recheck(recheck) => self.objections.look_into(recheck),
            Command::AnswerObjection(answer) => {
                self.objections.answer(answer, event.on, self.version);
                if event.to == CaseState::NotQualified {
                    self.closed_reason = Some("OBJECTION_UPHELD");
                } else if event.to == CaseState::UnderAssistance {
                    self.elimination_kind = None;
                    self.next_review = answer.next_review;
                }
            }
            Command::Declare(_)
            | Command::Authorise { .. }
            | Command::ListForWarning
            | Command::ReviewByTownship { .. }
            | Command::ConfirmComparison
            | Command::Approve { .. }
            | Command::StartAssistance
            | Command::Track
            | Command::ResumeAssistance => {}
        }
    }

    fn post(&mut self, place: NoticePlaceId, posted: DateTime<Utc>, evidence: &str, event: &Event) {
        let kind = if self.state.is_eliminating() {
            NoticeKind::Elimination
        } else {
            NoticeKind::Identification
        };
        let notice = self.notice.get_or_insert_with(|| Notice {
            kind,
            postings: Vec::new(),
            required: Vec::new(),
            clock_started: None,
        });
        notice.postings.push(Posting {
            place,
            posted,
            evidence: evidence.to_owned(),
            removal: None,
        });
        if let Noted::RequiredPlaces(required) = &event.noted {
            notice.required.clone_from(required);
        }
        let last = notice.hanging_anywhere().map(|p| p.posted).max();
        notice.clock_started = match event.to {
            CaseState::OnNotice | CaseState::ElimOnNotice => last.map(local_date),
            _ => None,
        };
    }

    /// Whether an account has visited the household for the case, for whatever reason (ORG-3).
    #[must_use]
    pub fn was_visited_by(&self, account: &str) -> bool {
        let mut visitors = self.visitors.iter().chain(&self.objections.recheckers);
        visitors.any(|visitor| visitor == account)
    }

    /// First day on which the running notice may be closed: the days after the posting at the last
    /// place were full days (S31).
    #[must_use]
    pub fn notice_closable(&self) -> Option<NaiveDate> {
        let started = self.notice.as_ref()?.clock_started?;
        started.checked_add_days(Days::new(self.template.parameters.notice_days.into()))
    }

    /// Last day on which the household may appeal; `None` unless the case ended against it.
    #[must_use]
    pub fn appeal_until(&self) -> Option<NaiveDate> {
        let days = self.template.parameters.appeal_days;
        let ended = self.ended.as_ref()?;
        ended.on.checked_add_days(Days::new(days.into()))
    }

    /// What a second person has let pass and nobody has made use of yet.
    #[must_use]
    pub fn granted(&self, requirement: &str) -> Option<&Override> {
        let mut unused = self.overrides.iter().filter(|own| !own.used);
        unused.find(|own| own.requirement == requirement)
    }

    /// First day on which elimination by assistance may be proposed (S44).
    #[must_use]
    pub fn elimination_possible(&self) -> Option<NaiveDate> {
        let enrolled = self.enrolled?;
        match self.template.parameters.hold {
            Hold::Months(months) => enrolled.checked_add_months(Months::new(months)),
            // The first day after the last of whole quarters.
            Hold::Quarters(quarters) => {
                let quarter =
                    NaiveDate::from_ymd_opt(enrolled.year(), enrolled.month0() / 3 * 3 + 1, 1);
                quarter?.checked_add_months(Months::new(3 * (quarters + 1)))
            }
        }
    }
}
