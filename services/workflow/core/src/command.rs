//! What somebody wants to do to a case, as values. No names, no ID numbers.

use chrono::{DateTime, NaiveDate, Utc};
use kernel::{Category, EliminationKind, LeadChannel, NoticePlaceId, RiskType, Role};

use crate::{
    objection::{Answering, Objecting, Recheck},
    state::Move,
    template::Evidence,
};

kernel::codes! {
    /// Who declares for the farmer (S20).
    ProxyRelation {
        /// 亲属
        Relative = "RELATIVE",
        /// 邻居
        Neighbour = "NEIGHBOUR",
        /// 干部
        Cadre = "CADRE",
    }
}

kernel::codes! {
    /// Why a visited household is no subject (T3x).
    NotQualified {
        /// It does not meet the standard.
        StandardNotMet = "STANDARD_NOT_MET",
        /// What was declared is not true.
        Untrue = "UNTRUE",
        /// There is no risk.
        NoRisk = "NO_RISK",
        /// Another reason, in the remark.
        Other = "OTHER",
    }
}

kernel::codes! {
    /// Why a qualification is cancelled (T9x).
    DisqualificationGround {
        /// 硬伤, confirmed by a person.
        HardFlaw = "HARD_FLAW",
        /// 提供虚假信息 (S35)
        FalseInformation = "FALSE_INFORMATION",
    }
}

kernel::codes! {
    /// How a whole household went (T19).
    NaturalEnd {
        /// Everybody died.
        Died = "DIED",
        /// Everybody moved away.
        Moved = "MOVED",
        /// It became part of another household.
        Merged = "MERGED",
    }
}

kernel::codes! {
    /// Part of the papers that the township may send back (T8r).
    Part {
        /// 申请
        Application = "APPLICATION",
        /// 承诺授权书
        Authorisation = "AUTHORISATION",
        /// 入户核实表
        VisitForm = "VISIT_FORM",
        /// 会议记录
        Minutes = "MINUTES",
        /// 公示照片
        NoticePhotos = "NOTICE_PHOTOS",
        /// 村级报告
        VillageReport = "VILLAGE_REPORT",
        /// 家庭成员
        Members = "MEMBERS",
        /// 收支
        Income = "INCOME",
        /// 两不愁三保障和饮水
        Guarantees = "GUARANTEES",
        /// 风险类型
        Risks = "RISKS",
    }
}

kernel::codes! {
    /// How an appeal ends.
    AppealOutcome {
        /// The case goes on where it ended.
        Granted = "GRANTED",
        /// It stays ended.
        Rejected = "REJECTED",
    }
}

/// Something that has to be put right (T8r).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    /// Of what.
    pub part: Part,
    /// What is wrong with it.
    pub remark: String,
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The account.
    pub account: String,
    /// What the account acts as.
    pub role: Role,
    /// Account in whose place it acts, as an appointed deputy (ORG-4).
    pub on_behalf_of: Option<String>,
}

impl Actor {
    /// Everybody who stands behind what is done: the one who acts, and the one in whose place.
    pub fn persons(&self) -> impl Iterator<Item = &str> {
        let own = std::iter::once(self.account.as_str());
        own.chain(self.on_behalf_of.as_deref())
    }
}

/// A command on a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// T1 and T18.
    Declare(Declaration),
    /// T2.
    Authorise {
        /// Version of the commitment's text.
        text_version: String,
        /// Hash of the signed form.
        evidence: String,
    },
    /// T3, and T15's visit.
    Verify(Visit),
    /// T3x.
    FindNotQualified {
        /// Why.
        reason: NotQualified,
        /// Day on which the farmer was told.
        farmer_informed: Option<NaiveDate>,
    },
    /// T4.
    ListForWarning,
    /// T5, T5x, and T15's appraisal: what a [`crate::Meeting`] decided of the case.
    Appraise(Appraisal),
    /// T6 at one place.
    PostNotice {
        /// Where it hangs.
        place: NoticePlaceId,
        /// Since when.
        posted: DateTime<Utc>,
        /// Hash of the photo.
        evidence: String,
    },
    /// A notice came down before its time, on purpose or not.
    RemoveNotice(Removal),
    /// T7: the notice was taken down at every place.
    CloseNotice(Vec<Removal>),
    /// S32.
    SubmitVillageReport {
        /// Hash of the report.
        evidence: String,
    },
    /// T8.
    ReviewByTownship {
        /// The papers follow the rules (S33).
        regular: bool,
        /// The papers are all there (S33).
        complete: bool,
        /// The township's opinion.
        opinion: String,
        /// Hash of the checklist.
        evidence: String,
    },
    /// T9.
    ConfirmComparison,
    /// T9x.
    Disqualify {
        /// On what ground.
        ground: DisqualificationGround,
        /// The reason that the household is told.
        reason: String,
        /// Day on which it was told, with its right to appeal.
        household_informed: Option<NaiveDate>,
        /// Hash of the decision letter.
        evidence: String,
    },
    /// T10.
    Approve {
        /// Number of the decision.
        decision_number: String,
    },
    /// T11.
    Enrol {
        /// Number in the national system; absent while entry is pending (S38).
        national_number: Option<String>,
    },
    /// T12.
    StartAssistance,
    /// T13.
    Track,
    /// T13b.
    ResumeAssistance,
    /// T14.
    ProposeElimination {
        /// How the risk went away.
        kind: EliminationKind,
    },
    /// T15u.
    ReturnToAssistance {
        /// Why (S42).
        reason: String,
        /// When it will be looked at again.
        next_review: NaiveDate,
    },
    /// T16.
    File {
        /// Number of the township document (S41).
        document_number: String,
        /// Hash of its scan.
        evidence: String,
    },
    /// T17.
    Eliminate {
        /// Number of the county's filing.
        filing_number: String,
        /// Whether monitoring contact and phone were given (1_11_011).
        contact_given: bool,
    },
    /// T12e.
    FlagEmergency {
        /// The disaster or accident.
        event_reference: String,
    },
    /// T19.
    CloseNatural {
        /// How it went.
        reason: NaturalEnd,
        /// Hash of the proof.
        evidence: String,
    },
    /// T20.
    Withdraw {
        /// Hash of the farmer's own statement.
        statement: String,
    },
    /// T8r.
    ReturnForCorrection(Vec<Correction>),
    /// Against T3x, T5x and T9x (WF-9).
    Appeal {
        /// Why the decision is wrong.
        reason: String,
        /// Hash of the household's own statement.
        statement: String,
    },
    /// The county's answer to an appeal (WF-9).
    DecideAppeal {
        /// How it ends.
        outcome: AppealOutcome,
        /// Why.
        reason: String,
        /// Day on which the household was told.
        household_informed: Option<NaiveDate>,
        /// Hash of the letter.
        evidence: String,
    },
    /// A second person lets something pass (`decisions` 11).
    GrantOverride {
        /// Code of the requirement.
        requirement: String,
        /// Why.
        reason: String,
    },
    /// T7o: somebody objects to what a notice announces.
    Object(Objecting),
    /// T7o: somebody else visits the household because of it.
    Recheck(Recheck),
    /// T7o: objections are answered.
    AnswerObjection(Answering),
}

impl Command {
    /// Whether the command brings a paper.
    #[must_use]
    pub fn brings(&self, paper: Evidence) -> bool {
        let is_given = |hash: &String| !hash.trim().is_empty();
        match (self, paper) {
            (Self::Authorise { evidence, .. }, Evidence::SignedForm)
            | (Self::PostNotice { evidence, .. }, Evidence::PostingPhoto)
            | (Self::SubmitVillageReport { evidence }, Evidence::ReportScan)
            | (Self::ReviewByTownship { evidence, .. }, Evidence::Checklist)
            | (
                Self::Disqualify { evidence, .. } | Self::DecideAppeal { evidence, .. },
                Evidence::DecisionLetter,
            )
            | (Self::File { evidence, .. }, Evidence::DocumentScan)
            | (Self::CloseNatural { evidence, .. }, Evidence::NaturalProof)
            | (
                Self::Withdraw {
                    statement: evidence,
                }
                | Self::Appeal {
                    statement: evidence,
                    ..
                },
                Evidence::OwnStatement,
            ) => is_given(evidence),
            (Self::CloseNotice(removals), Evidence::RemovalPhoto) => {
                !removals.is_empty() && removals.iter().all(|r| is_given(&r.evidence))
            }
            (Self::Verify(visit), Evidence::VisitForm) => visit.evidence.iter().any(is_given),
            (Self::Appraise(meeting), Evidence::Minutes) => meeting.evidence.iter().any(is_given),
            (Self::Recheck(visit), Evidence::RecheckForm) => visit.evidence.iter().any(is_given),
            (Self::AnswerObjection(answer), Evidence::AnswerLetter) => is_given(&answer.evidence),
            _ => false,
        }
    }

    /// Hashes of all papers that the command names.
    #[must_use]
    pub fn papers(&self) -> Vec<&str> {
        let named = match self {
            Self::Declare(declaration) => {
                let will = declaration.proxy.iter().map(|proxy| &proxy.will_statement);
                declaration.evidence.iter().chain(will).collect()
            }
            Self::Verify(visit) => visit.evidence.iter().collect(),
            Self::Appraise(meeting) => meeting.evidence.iter().collect(),
            Self::Recheck(visit) => visit.evidence.iter().collect(),
            Self::AnswerObjection(answer) => vec![&answer.evidence],
            // Of one that came down by itself there may be no photo.
            Self::RemoveNotice(removal) => vec![&removal.evidence],
            Self::CloseNotice(removals) => removals.iter().map(|r| &r.evidence).collect(),
            Self::Authorise { evidence, .. }
            | Self::PostNotice { evidence, .. }
            | Self::SubmitVillageReport { evidence }
            | Self::ReviewByTownship { evidence, .. }
            | Self::Disqualify { evidence, .. }
            | Self::DecideAppeal { evidence, .. }
            | Self::File { evidence, .. }
            | Self::CloseNatural { evidence, .. }
            | Self::Withdraw {
                statement: evidence,
            }
            | Self::Appeal {
                statement: evidence,
                ..
            } => vec![evidence],
            Self::FindNotQualified { .. }
            | Self::ListForWarning
            | Self::ConfirmComparison
            | Self::Approve { .. }
            | Self::Enrol { .. }
            | Self::StartAssistance
            | Self::Track
            | Self::ResumeAssistance
            | Self::ProposeElimination { .. }
            | Self::ReturnToAssistance { .. }
            | Self::Eliminate { .. }
            | Self::FlagEmergency { .. }
            | Self::ReturnForCorrection(_)
            | Self::GrantOverride { .. }
            | Self::Object(_) => Vec::new(),
        };
        // One that is missing is the guards' business.
        let given = named.into_iter().map(|hash| hash.trim());
        given.filter(|hash| !hash.is_empty()).collect()
    }

    /// Which move it is.
    #[must_use]
    pub const fn step(&self) -> Move {
        match self {
            Self::Declare(_) => Move::Declare,
            Self::Authorise { .. } => Move::Authorise,
            Self::Verify(_) => Move::Verify,
            Self::FindNotQualified { .. } => Move::FindNotQualified,
            Self::ListForWarning => Move::ListForWarning,
            Self::Appraise(_) => Move::Appraise,
            Self::PostNotice { .. } => Move::PostNotice,
            Self::RemoveNotice(_) => Move::RemoveNotice,
            Self::CloseNotice(_) => Move::CloseNotice,
            Self::SubmitVillageReport { .. } => Move::SubmitVillageReport,
            Self::ReviewByTownship { .. } => Move::ReviewByTownship,
            Self::ConfirmComparison => Move::ConfirmComparison,
            Self::Disqualify { .. } => Move::Disqualify,
            Self::Approve { .. } => Move::Approve,
            Self::Enrol { .. } => Move::Enrol,
            Self::StartAssistance => Move::StartAssistance,
            Self::Track => Move::Track,
            Self::ResumeAssistance => Move::ResumeAssistance,
            Self::ProposeElimination { .. } => Move::ProposeElimination,
            Self::ReturnToAssistance { .. } => Move::ReturnToAssistance,
            Self::File { .. } => Move::File,
            Self::Eliminate { .. } => Move::Eliminate,
            Self::FlagEmergency { .. } => Move::FlagEmergency,
            Self::CloseNatural { .. } => Move::CloseNatural,
            Self::Withdraw { .. } => Move::Withdraw,
            Self::ReturnForCorrection(_) => Move::ReturnForCorrection,
            Self::Appeal { .. } => Move::Appeal,
            Self::DecideAppeal { .. } => Move::DecideAppeal,
            Self::GrantOverride { .. } => Move::GrantOverride,
            Self::Object(_) => Move::Object,
            Self::Recheck(_) => Move::Recheck,
            Self::AnswerObjection(_) => Move::AnswerObjection,
        }
    }
}

/// T1: somebody says that a household is at risk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// How it came in.
    pub channel: LeadChannel,
    /// The risk points.
    pub risks: Vec<RiskType>,
    /// Present when somebody else declares for the farmer (S20).
    pub proxy: Option<Proxy>,
    /// Hashes of the application and of the proof of the risk (S17).
    pub evidence: Vec<String>,
}

/// Who declares for the farmer, and why (S20).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Who it is to the farmer.
    pub relation: ProxyRelation,
    /// Why the farmer can't.
    pub capacity_reason: String,
    /// Hash of the statement of the farmer's will.
    pub will_statement: String,
}

/// How a notice came down at one place (T6, T7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// Where it hung.
    pub place: NoticePlaceId,
    /// When it was taken down, or seen to be gone.
    pub removed: DateTime<Utc>,
    /// Hash of the photo; empty where there is none.
    pub evidence: String,
}

/// A home visit (S22).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Visit {
    /// Accounts of the visitors.
    pub visitors: Vec<String>,
    /// Day of the visit.
    pub visited: NaiveDate,
    /// The household meets the standard.
    pub standard_met: bool,
    /// The declaration is true.
    pub true_statement: bool,
    /// The information is complete.
    pub complete: bool,
    /// Hashes of the form and the photos.
    pub evidence: Vec<String>,
}

impl Visit {
    /// Everybody who stands behind the visit: a deputy who went there, went in somebody's place.
    #[must_use]
    pub fn persons(&self, actor: &str, on_behalf_of: Option<&String>) -> Vec<String> {
        let went = self.visitors.iter().any(|visitor| visitor == actor);
        let place = on_behalf_of.filter(|_| went);
        self.visitors.iter().chain(place).cloned().collect()
    }
}

/// A democratic appraisal (S27).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Appraisal {
    /// Day of the meeting.
    pub held: NaiveDate,
    /// 村民代表 present.
    pub villager_representatives: u32,
    /// 乡镇联络干部 present.
    pub township_liaisons: u32,
    /// 村干部 present.
    pub village_cadres: u32,
    /// 村“两委” members present.
    pub committee_members: u32,
    /// 驻村工作队 members present.
    pub resident_team: u32,
    /// Votes for.
    pub votes_for: u32,
    /// Votes against.
    pub votes_against: u32,
    /// Abstentions.
    pub votes_abstained: u32,
    /// Everybody was asked for a conflict of interest.
    pub conflicts_declared: bool,
    /// Category that the meeting proposes; identification only.
    pub category: Option<Category>,
    /// Why the vote is against.
    pub reason: String,
    /// Hashes of minutes, sign-in sheet and vote sheet.
    pub evidence: Vec<String>,
}

impl Appraisal {
    /// Whether the meeting is for it.
    #[must_use]
    pub const fn carried(&self) -> bool {
        self.votes_for > self.votes_against
    }

    /// Votes counted.
    #[must_use]
    pub const fn votes(&self) -> u32 {
        self.votes_for
            .saturating_add(self.votes_against)
            .saturating_add(self.votes_abstained)
    }
}
