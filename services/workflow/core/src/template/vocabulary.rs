//! The words that templates are written in.

use kernel::RuleId;

kernel::codes! {
    /// Something that has to be so in the case and the facts before a move may be made.
    Guard {
        /// Every adult member has authorised the query of all items (S18, CMP-4).
        PersonsAuthorised = "PERSONS_AUTHORISED",
        /// The registry holds what the visit has to find out, without errors (S06, S07, T3).
        Investigated = "INVESTIGATED",
        /// Two no-worries, three guarantees and water are safe (S39).
        GuaranteesSafe = "GUARANTEES_SAFE",
        /// Net and reference income have stayed at or above the line long enough (S39).
        StaysAboveLine = "STAYS_ABOVE_LINE",
        /// The notice hung at every required place for all its days (S30, S31).
        HungLongEnough = "HUNG_LONG_ENOUGH",
        /// The village has reported to the township (S32).
        VillageReported = "VILLAGE_REPORTED",
        /// The comparison is whole and fresh, and every hit is dealt with (S34–S36).
        Compared = "COMPARED",
        /// The category follows from origin and line (S03–S06).
        Category = "CATEGORY",
        /// A responsible person, a measure for each risk and a planned day (S36).
        HelpArranged = "HELP_ARRANGED",
        /// Help has arrived for each risk, of the kind that labour asks for (S51, S52).
        Helped = "HELPED",
        /// Nobody can work, and social security is in place (S43).
        Secured = "SECURED",
        /// Somebody can work (S43).
        Labour = "LABOUR",
        /// Everything that elimination asks for (S39, S43, S44, ELI-6).
        Eliminable = "ELIMINABLE",
        /// The values after elimination are there, and safe (1_11_004, S39).
        AfterValues = "AFTER_VALUES",
        /// The household may still appeal, for the first time (WF-9).
        Appealable = "APPEALABLE",
        /// Help does not come first already (T12e).
        NotFlagged = "NOT_FLAGGED",
        /// The notice hangs somewhere (T7o).
        NoticeHangs = "NOTICE_HANGS",
        /// No objection waits for its answer (T7, T7o).
        NoOpenObjection = "NO_OPEN_OBJECTION",
        /// An objection waits for its answer (T7o).
        ObjectionOpen = "OBJECTION_OPEN",
        /// Somebody has looked into one at the household (T7o).
        ObjectionRechecked = "OBJECTION_RECHECKED",
    }
}

kernel::codes! {
    /// A paper or photo that a command brings, by the hash of its content.
    Evidence {
        /// 承诺授权书 (S18).
        SignedForm = "SIGNED_FORM",
        /// Form and photos of a visit (WF-10).
        VisitForm = "VISIT_FORM",
        /// Minutes, sign-in sheet and vote sheet of a meeting (WF-10).
        Minutes = "MINUTES",
        /// A notice where it hangs (WF-10).
        PostingPhoto = "POSTING_PHOTO",
        /// The place after the notice came down (WF-10).
        RemovalPhoto = "REMOVAL_PHOTO",
        /// The village's report (S32).
        ReportScan = "REPORT_SCAN",
        /// The township's checklist of papers (S33).
        Checklist = "CHECKLIST",
        /// The letter that tells of a disqualification (S35).
        DecisionLetter = "DECISION_LETTER",
        /// The township's document (S41).
        DocumentScan = "DOCUMENT_SCAN",
        /// Proof that a household died out, moved or was merged (T19).
        NaturalProof = "NATURAL_PROOF",
        /// The farmer's own statement (T20).
        OwnStatement = "OWN_STATEMENT",
        /// Form and photos of the visit that looks into an objection (T7o).
        RecheckForm = "RECHECK_FORM",
        /// The written answer to an objection (T7o).
        AnswerLetter = "ANSWER_LETTER",
    }
}

impl Evidence {
    /// The rule that asks for it.
    #[must_use]
    pub const fn rule(self) -> RuleId {
        match self {
            Self::SignedForm => "S18",
            Self::VisitForm | Self::Minutes | Self::PostingPhoto | Self::RemovalPhoto => "WF-10",
            Self::ReportScan => "S32",
            Self::Checklist => "S33",
            Self::DecisionLetter => "S35",
            Self::DocumentScan => "S41",
            Self::NaturalProof => "T19",
            Self::OwnStatement => "T20",
            Self::RecheckForm | Self::AnswerLetter => "T7o",
        }
    }
}

kernel::codes! {
    /// What a limit is counted from.
    Since {
        /// The day of the declaration.
        Declaration = "DECLARATION",
        /// The day on which the last step was really made.
        LastStep = "LAST_STEP",
        /// The day of the enrolment.
        Enrolment = "ENROLMENT",
        /// The day on which the oldest open objection came in; no limit while there is none.
        Objection = "OBJECTION",
    }
}
