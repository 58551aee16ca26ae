//! Objections to what a notice announces (T7o, WF-8). Anybody may object while the notice hangs;
//! nothing closes it until each objection was looked into at the household and answered in writing.
//!
//! The days of the notice run on meanwhile: it kept hanging, and a dismissed objection has changed
//! nothing of what it says. An objection that is upheld ends what was announced.

use chrono::NaiveDate;

use crate::state::CaseState;

kernel::codes! {
    /// How an objection came in.
    ObjectionChannel {
        /// Through the public door, by the code on the notice.
        PublicDoor = "PUBLIC_DOOR",
        /// At the village committee or the township.
        InPerson = "IN_PERSON",
        /// By letter, or from the box beside the notice.
        InWriting = "IN_WRITING",
        /// By telephone.
        ByPhone = "BY_PHONE",
    }
}

kernel::codes! {
    /// What the township answers.
    Verdict {
        /// The objection is right: the household is no subject, or still at risk.
        Upheld = "UPHELD",
        /// It is not: the notice goes on.
        Dismissed = "DISMISSED",
    }
}

kernel::codes! {
    /// How an objection ended.
    ObjectionOutcome {
        /// It was right.
        Upheld = "UPHELD",
        /// It was not.
        Dismissed = "DISMISSED",
        /// What it was against ended otherwise before it was answered.
        Superseded = "SUPERSEDED",
    }
}

impl From<Verdict> for ObjectionOutcome {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Upheld => Self::Upheld,
            Verdict::Dismissed => Self::Dismissed,
        }
    }
}

/// T7o: somebody objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objecting {
    /// How it came in.
    pub channel: ObjectionChannel,
    /// Whoever objects does not want to be known.
    pub anonymous: bool,
    /// Day on which it came in.
    pub received: NaiveDate,
    /// What is objected.
    pub text: String,
    /// Whether it was said how to reach whoever objects.
    pub contact_given: bool,
}

/// T7o: the township visits the household again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recheck {
    /// Accounts of the visitors, none of whom had visited before (ORG-3).
    pub visitors: Vec<String>,
    /// Day of the visit.
    pub visited: NaiveDate,
    /// Hashes of the form and the photos.
    pub evidence: Vec<String>,
}

/// T7o: the township answers objections. Several that say the same are answered at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answering {
    /// Numbers of the objections in the case.
    pub numbers: Vec<u32>,
    /// What is answered.
    pub verdict: Verdict,
    /// The reason that is given.
    pub reason: String,
    /// Day on which whoever objected was told; of an anonymous objection the day on which the answer
    /// was put up beside the notice.
    pub informed: Option<NaiveDate>,
    /// Day on which the household was told that an objection was upheld.
    pub household_informed: Option<NaiveDate>,
    /// When a household that stays in assistance is looked at again (S42).
    pub next_review: Option<NaiveDate>,
    /// Hash of the written answer.
    pub evidence: String,
}

/// An objection on the record of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// Its number in the case, from 1.
    pub number: u32,
    /// Version that the case had after it; its texts are kept under it.
    pub version: i64,
    /// How it came in.
    pub channel: ObjectionChannel,
    /// Whoever objected does not want to be known.
    pub anonymous: bool,
    /// Day on which it came in.
    pub received: NaiveDate,
    /// Day of the visit that looked into it.
    pub rechecked: Option<NaiveDate>,
    /// How it ended, and when; absent while it is open.
    pub ended: Option<(ObjectionOutcome, NaiveDate)>,
    /// Version that the case had after the answer.
    pub answered_version: Option<i64>,
    /// Hash of the written answer; empty before.
    pub answer: String,
}

impl Objection {
    /// Whether it waits for an answer.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.ended.is_none()
    }

    /// Whether it can be answered: somebody has looked into it.
    #[must_use]
    pub const fn is_answerable(&self) -> bool {
        self.is_open() && self.rechecked.is_some()
    }
}

/// The objections of a case, in the order in which they came in, and who looked into them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Objections {
    /// Every one.
    pub all: Vec<Objection>,
    /// Accounts that visited the household because of one.
    pub recheckers: Vec<String>,
}

impl Objections {
    /// Those that wait for an answer.
    pub fn open(&self) -> impl Iterator<Item = &Objection> {
        self.all.iter().filter(|objection| objection.is_open())
    }

    /// Since when the oldest of them waits.
    #[must_use]
    pub fn waiting_since(&self) -> Option<NaiveDate> {
        self.open().map(|objection| objection.received).min()
    }

    /// Day of the latest answer: a notice is not taken down before it.
    #[must_use]
    pub fn last_answer(&self) -> Option<NaiveDate> {
        let ended = self.all.iter().filter_map(|objection| objection.ended);
        ended.map(|(_, on)| on).max()
    }

    pub(crate) fn receive(&mut self, objecting: &Objecting, version: i64) {
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX - 1) + 1;
        self.all.push(Objection {
            number,
            version,
            channel: objecting.channel,
            anonymous: objecting.anonymous,
            received: objecting.received,
            rechecked: None,
            ended: None,
            answered_version: None,
            answer: String::new(),
        });
    }

    pub(crate) fn look_into(&mut self, recheck: &Recheck) {
        self.recheckers.extend(recheck.visitors.iter().cloned());
        let open = self.all.iter_mut().filter(|o| o.is_open());
        for objection in open.filter(|o| o.received <= recheck.visited) {
            objection.rechecked.get_or_insert(recheck.visited);
        }
    }

    pub(crate) fn answer(&mut self, answering: &Answering, on: NaiveDate, version: i64) {
        let open = self.all.iter_mut().filter(|o| o.is_open());
        for objection in open.filter(|o| answering.numbers.contains(&o.number)) {
            objection.ended = Some((answering.verdict.into(), on));
            objection.answered_version = Some(version);
            objection.answer.clone_from(&answering.evidence);
        }
    }

    /// Nothing is announced any more once the case has ended or the household stays in assistance:
    /// what was still objected against that is settled.
    pub(crate) fn settle(&mut self, state: CaseState, on: NaiveDate) {
        if state.is_final() || state == CaseState::UnderAssistance {
            for objection in self.all.iter_mut().filter(|o| o.is_open()) {
                objection.ended = Some((ObjectionOutcome::Superseded, on));
            }
        }
    }
}
