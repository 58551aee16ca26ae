//! States of a case and of a lead, and the names of the moves between them.

kernel::codes! {
    /// State of a case (`state-machine` 7.2).
    CaseState {
        /// 申报
        Declared = "DECLARED",
        /// 承诺授权
        Authorised = "AUTHORISED",
        /// 入户核实
        Verified = "VERIFIED",
        /// Not a subject: after the visit or the vote.
        NotQualified = "NOT_QUALIFIED",
        /// 预警名单
        WarningListed = "WARNING_LISTED",
        /// 民主评议
        Appraised = "APPRAISED",
        /// 公示
        OnNotice = "ON_NOTICE",
        /// The notice hung long enough.
        NoticeClosed = "NOTICE_CLOSED",
        /// 乡镇审核
        TownshipReviewed = "TOWNSHIP_REVIEWED",
        /// 数据比对
        Compared = "COMPARED",
        /// 取消资格
        Disqualified = "DISQUALIFIED",
        /// 县级审定, where the template has it.
        Approved = "APPROVED",
        /// 纳入监测
        Enrolled = "ENROLLED",
        /// 帮扶中
        UnderAssistance = "UNDER_ASSISTANCE",
        /// 持续跟踪
        SustainedTracking = "SUSTAINED_TRACKING",
        /// 拟消除
        EliminationProposed = "ELIMINATION_PROPOSED",
        /// The elimination's visit is made.
        ElimVerified = "ELIM_VERIFIED",
        /// The elimination's appraisal is held.
        ElimAppraised = "ELIM_APPRAISED",
        /// The elimination's notice hangs.
        ElimOnNotice = "ELIM_ON_NOTICE",
        /// The elimination's notice hung long enough.
        ElimNoticeClosed = "ELIM_NOTICE_CLOSED",
        /// 乡镇行文备案
        Filed = "FILED",
        /// 风险消除
        RiskEliminated = "RISK_ELIMINATED",
        /// The whole household died, moved or was merged.
        ClosedNatural = "CLOSED_NATURAL",
        /// The farmer withdrew.
        Withdrawn = "WITHDRAWN",
        /// The township sent papers back to the village.
        Returned = "RETURNED",
        /// The household does not agree with how its case ended.
        Appealed = "APPEALED",
    }
}

impl CaseState {
    /// Whether the case is over. What ended against the household can be appealed.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::NotQualified
                | Self::Disqualified
                | Self::RiskEliminated
                | Self::ClosedNatural
                | Self::Withdrawn
        )
    }

    /// Whether the case ended against the household, which may appeal (WF-9).
    #[must_use]
    pub const fn is_against(self) -> bool {
        matches!(self, Self::NotQualified | Self::Disqualified)
    }

    /// Whether the case is on its way to the end of the risk (T14 to T17).
    #[must_use]
    pub const fn is_eliminating(self) -> bool {
        matches!(
            self,
            Self::EliminationProposed
                | Self::ElimVerified
                | Self::ElimAppraised
                | Self::ElimOnNotice
                | Self::ElimNoticeClosed
                | Self::Filed
        )
    }
}

kernel::codes! {
    /// What can be done to a case. The name of the command and of its event.
    Move {
        /// T1, and T18 after a relapse.
        Declare = "DECLARE",
        /// T2.
        Authorise = "AUTHORISE",
        /// T3, and T15's visit.
        Verify = "VERIFY",
        /// T3x.
        FindNotQualified = "FIND_NOT_QUALIFIED",
        /// T4, by freezing the village's warning list.
        ListForWarning = "LIST_FOR_WARNING",
        /// T5 and T5x, and T15's appraisal.
        Appraise = "APPRAISE",
        /// T6, a place at a time, and T15's notice.
        PostNotice = "POST_NOTICE",
        /// A notice came down.
        RemoveNotice = "REMOVE_NOTICE",
        /// T7, and T15's closing.
        CloseNotice = "CLOSE_NOTICE",
        /// S32.
        SubmitVillageReport = "SUBMIT_VILLAGE_REPORT",
        /// T8.
        ReviewByTownship = "REVIEW_BY_TOWNSHIP",
        /// T9.
        ConfirmComparison = "CONFIRM_COMPARISON",
        /// T9x.
        Disqualify = "DISQUALIFY",
        /// T10.
        Approve = "APPROVE",
        /// T11.
        Enrol = "ENROL",
        /// T12.
        StartAssistance = "START_ASSISTANCE",
        /// T13.
        Track = "TRACK",
        /// T13b.
        ResumeAssistance = "RESUME_ASSISTANCE",
        /// T14.
        ProposeElimination = "PROPOSE_ELIMINATION",
        /// T15u.
        ReturnToAssistance = "RETURN_TO_ASSISTANCE",
        /// T16.
        File = "FILE",
        /// T17.
        Eliminate = "ELIMINATE",
        /// T12e.
        FlagEmergency = "FLAG_EMERGENCY",
        /// T19.
        CloseNatural = "CLOSE_NATURAL",
        /// T20.
        Withdraw = "WITHDRAW",
        /// T8r.
        ReturnForCorrection = "RETURN_FOR_CORRECTION",
        /// Against T3x, T5x and T9x.
        Appeal = "APPEAL",
        /// The county's answer to an appeal.
        DecideAppeal = "DECIDE_APPEAL",
        /// A second person lets something pass.
        GrantOverride = "GRANT_OVERRIDE",
        /// T7o: somebody objects.
        Object = "OBJECT",
        /// T7o: the household is visited again.
        Recheck = "RECHECK",
        /// T7o: objections are answered.
        AnswerObjection = "ANSWER_OBJECTION",
    }
}

/// Which part of a decision a move is: nobody has two in one case (ORG-3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// None: nobody's papers are looked through.
    Free,
    /// The township's decision.
    Township,
    /// The county's decision.
    County,
}

impl Move {
    /// Which duty the move is. Who visited is not who makes a move but who the visit names.
    #[must_use]
    pub const fn duty(self) -> Duty {
        match self {
            Self::ReviewByTownship | Self::ReturnForCorrection | Self::File => Duty::Township,
            Self::ConfirmComparison
            | Self::Disqualify
            | Self::Approve
            | Self::Eliminate
            | Self::DecideAppeal
            | Self::GrantOverride => Duty::County,
            Self::Declare
            | Self::Authorise
            | Self::Verify
            | Self::FindNotQualified
            | Self::ListForWarning
            | Self::Appraise
            | Self::PostNotice
            | Self::RemoveNotice
            | Self::CloseNotice
            | Self::SubmitVillageReport
            | Self::Enrol
            | Self::StartAssistance
            | Self::Track
            | Self::ResumeAssistance
            | Self::ProposeElimination
            | Self::ReturnToAssistance
            | Self::FlagEmergency
            | Self::CloseNatural
            | Self::Withdraw
            | Self::Appeal
            | Self::Object
            | Self::Recheck
            | Self::AnswerObjection => Duty::Free,
        }
    }

    /// Whether the move means something else in an elimination (T15).
    #[must_use]
    pub const fn differs(self) -> bool {
        matches!(
            self,
            Self::Verify
                | Self::Appraise
                | Self::PostNotice
                | Self::RemoveNotice
                | Self::CloseNotice
        )
    }

    /// Whether the move is part of the way to enrolment or elimination, and not a way out of it.
    #[must_use]
    pub const fn leads_on(self) -> bool {
        !matches!(
            self,
            Self::FindNotQualified
                | Self::RemoveNotice
                | Self::Disqualify
                | Self::ReturnToAssistance
                | Self::FlagEmergency
                | Self::CloseNatural
                | Self::Withdraw
                | Self::ReturnForCorrection
                | Self::Appeal
                | Self::GrantOverride
                | Self::Object
                | Self::Recheck
                | Self::AnswerObjection
        )
    }

    /// Where the move leads from a state, and where else: when the vote is against it, while a
    /// notice does not hang at every place yet, or when an objection is upheld.
    #[must_use]
    pub const fn outcomes(self, from: CaseState) -> (CaseState, Option<CaseState>) {
        use CaseState as S;
        let to = match (self, from.is_eliminating()) {
            (Self::Declare, _) => S::Declared,
            (Self::Authorise, _) => S::Authorised,
            (Self::Verify, false) => S::Verified,
            (Self::Verify, true) => S::ElimVerified,
            (Self::FindNotQualified, _) => S::NotQualified,
            (Self::ListForWarning, _) => S::WarningListed,
            // A vote against identification ends the case; one against elimination means more help.
            (Self::Appraise, false) => return (S::Appraised, Some(S::NotQualified)),
            (Self::Appraise, true) => return (S::ElimAppraised, Some(S::UnderAssistance)),
            (Self::PostNotice, false) => return (S::OnNotice, Some(S::Appraised)),
            (Self::PostNotice, true) => return (S::ElimOnNotice, Some(S::ElimAppraised)),
            (Self::RemoveNotice, false) => S::Appraised,
            (Self::RemoveNotice, true) => S::ElimAppraised,
            (Self::CloseNotice, false) => S::NoticeClosed,
            (Self::CloseNotice, true) => S::ElimNoticeClosed,
            (Self::SubmitVillageReport, _) if matches!(from, S::Returned) => S::NoticeClosed,
            // What an appeal leads to is where the case stood, which is the case's own history.
            (
                Self::SubmitVillageReport
                | Self::FlagEmergency
                | Self::DecideAppeal
                | Self::Object
                | Self::Recheck
                | Self::GrantOverride,
                _,
            ) => from,
            (Self::ReturnForCorrection, _) => S::Returned,
            (Self::Appeal, _) => S::Appealed,
            (Self::AnswerObjection, false) => return (from, Some(S::NotQualified)),
            (Self::AnswerObjection, true) => return (from, Some(S::UnderAssistance)),
            (Self::ReviewByTownship, _) => S::TownshipReviewed,
            (Self::ConfirmComparison, _) => S::Compared,
            (Self::Disqualify, _) => S::Disqualified,
            (Self::Approve, _) => S::Approved,
            (Self::Enrol, _) => S::Enrolled,
            (Self::StartAssistance | Self::ResumeAssistance | Self::ReturnToAssistance, _) => {
                S::UnderAssistance
            }
            (Self::Track, _) => S::SustainedTracking,
            (Self::ProposeElimination, _) => S::EliminationProposed,
            (Self::File, _) => S::Filed,
            (Self::Eliminate, _) => S::RiskEliminated,
            (Self::CloseNatural, _) => S::ClosedNatural,
            (Self::Withdraw, _) => S::Withdrawn,
        };
        (to, None)
    }

    /// Transition of the state machine that the move is in a state.
    #[must_use]
    pub const fn transition(self, from: CaseState) -> &'static str {
        if from.is_eliminating() && !matches!(self, Self::File | Self::Eliminate) {
            return match self {
                Self::ReturnToAssistance => "T15u",
                Self::CloseNatural => "T19",
                Self::Withdraw => "T20",
                Self::GrantOverride => "ELI-2",
                Self::Object | Self::Recheck | Self::AnswerObjection => "T7o",
                _ => "T15",
            };
        }
        match self {
            Self::Declare => "T1",
            Self::Authorise => "T2",
            Self::Verify => "T3",
            Self::FindNotQualified => "T3x",
            Self::ListForWarning => "T4",
            Self::Appraise => "T5",
            Self::PostNotice | Self::RemoveNotice => "T6",
            Self::CloseNotice => "T7",
            Self::SubmitVillageReport | Self::ReviewByTownship => "T8",
            Self::ConfirmComparison => "T9",
            Self::Disqualify => "T9x",
            Self::Approve => "T10",
            Self::Enrol => "T11",
            Self::StartAssistance => "T12",
            Self::FlagEmergency => "T12e",
            Self::Track => "T13",
            Self::ResumeAssistance => "T13b",
            Self::ProposeElimination => "T14",
            Self::ReturnToAssistance => "T15u",
            Self::File => "T16",
            Self::Eliminate => "T17",
            Self::CloseNatural => "T19",
            Self::Withdraw => "T20",
            Self::ReturnForCorrection => "T8r",
            Self::Appeal | Self::DecideAppeal => "WF-9",
            Self::GrantOverride => "ELI-2",
            Self::Object | Self::Recheck | Self::AnswerObjection => "T7o",
        }
    }
}
