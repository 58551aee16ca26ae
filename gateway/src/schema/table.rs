//! The fields of Query and Mutation: each is an RPC of the contract, in the shape that front ends
//! expect.

/// How an answer is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The one thing with a global id, by the RPC that gets many.
    ById { items: &'static str },
    /// A page of things with `first` and `after`.
    Page { items: &'static str },
    /// A page of the alert feed, by feed cursors.
    Alerts,
    /// All things of a list.
    List { items: &'static str },
    /// One field of the answer.
    One { field: &'static str },
}

/// A field of Query.
#[derive(Debug, Clone, Copy)]
pub struct Query {
    pub name: &'static str,
    pub rpc: &'static str,
    pub shape: Shape,
}

const fn query(name: &'static str, rpc: &'static str, shape: Shape) -> Query {
    Query { name, rpc, shape }
}

/// Fields of Query, beside `viewer`, `node` and `nodes`.
pub const QUERIES: [Query; 34] = [
    query(
        "divisions",
        "households.ListDivisions",
        Shape::Page { items: "divisions" },
    ),
    query(
        "noticePlaces",
        "households.ListNoticePlaces",
        Shape::List { items: "places" },
    ),
    query(
        "monitoringLines",
        "households.ListMonitoringLines",
        Shape::List { items: "lines" },
    ),
    query(
        "households",
        "households.ListHouseholds",
        Shape::Page {
            items: "households",
        },
    ),
    query(
        "household",
        "households.BatchGetHouseholds",
        Shape::ById {
            items: "households",
        },
    ),
    query(
        "findHousehold",
        "households.FindHousehold",
        Shape::One { field: "household" },
    ),
    query(
        "income",
        "households.ListIncome",
        Shape::List { items: "entries" },
    ),
    query(
        "history",
        "households.ListHistory",
        Shape::Page { items: "changes" },
    ),
    query(
        "drawnAuthorisations",
        "households.DrawAuthorisations",
        Shape::List {
            items: "authorisations",
        },
    ),
    query(
        "importReport",
        "households.GetImport",
        Shape::One { field: "report" },
    ),
    query(
        "leads",
        "workflow.ListLeads",
        Shape::Page { items: "leads" },
    ),
    query(
        "lead",
        "workflow.BatchGetLeads",
        Shape::ById { items: "leads" },
    ),
    query(
        "cases",
        "workflow.ListCases",
        Shape::Page { items: "cases" },
    ),
    query(
        "case",
        "workflow.BatchGetCases",
        Shape::ById { items: "cases" },
    ),
    query(
        "moves",
        "workflow.ListMoves",
        Shape::List { items: "moves" },
    ),
    query(
        "meetings",
        "workflow.ListMeetings",
        Shape::Page { items: "meetings" },
    ),
    query(
        "warningList",
        "workflow.GetWarningList",
        Shape::One { field: "list" },
    ),
    query(
        "publicNotice",
        "workflow.GetNotice",
        Shape::One { field: "notice" },
    ),
    query(
        "templates",
        "workflow.ListTemplates",
        Shape::List { items: "templates" },
    ),
    query("work", "workflow.ListWork", Shape::Page { items: "work" }),
    query(
        "holdings",
        "workflow.ListHoldings",
        Shape::One { field: "holdings" },
    ),
    query(
        "deputies",
        "workflow.ListDeputies",
        Shape::List { items: "deputies" },
    ),
    query(
        "checkpoint",
        "workflow.GetCheckpoint",
        Shape::One {
            field: "checkpoint",
        },
    ),
    query(
        "dailySeal",
        "workflow.GetDailySeal",
        Shape::One { field: "seal" },
    ),
    query(
        "caseFile",
        "workflow.GetCaseFile",
        Shape::One { field: "file" },
    ),
    query("alerts", "comparison.ListAlerts", Shape::Alerts),
    query(
        "alert",
        "comparison.BatchGetAlerts",
        Shape::ById { items: "alerts" },
    ),
    query(
        "alertRules",
        "comparison.ListAlertRules",
        Shape::List { items: "rules" },
    ),
    query(
        "comparisonRules",
        "comparison.ListComparisonRules",
        Shape::List { items: "rules" },
    ),
    query(
        "batchReport",
        "comparison.GetBatch",
        Shape::One { field: "report" },
    ),
    query(
        "openHits",
        "comparison.ListOpenHits",
        Shape::Page { items: "hits" },
    ),
    query(
        "reconsiderations",
        "comparison.ListReconsiderations",
        Shape::Page {
            items: "reconsiderations",
        },
    ),
    query(
        "assessments",
        "households.BatchAssess",
        Shape::List {
            items: "assessments",
        },
    ),
    query(
        "monitoringDue",
        "measures.ListMonitoringDue",
        Shape::Page { items: "due" },
    ),
];

/// A field of Mutation.
#[derive(Debug, Clone, Copy)]
pub struct Mutation {
    pub name: &'static str,
    pub rpc: &'static str,
    /// Message of the request whose fields stand in the input themselves; empty for none.
    pub flattened: &'static str,
    /// Whether the input has a file's content, sent as a stream.
    pub streams: bool,
}

const fn mutation(name: &'static str, rpc: &'static str, flattened: &'static str) -> Mutation {
    Mutation {
        name,
        rpc,
        flattened,
        streams: false,
    }
}

const fn file(name: &'static str, rpc: &'static str) -> Mutation {
    Mutation {
        name,
        rpc,
        flattened: "header",
        streams: true,
    }
}

const ACT: &str = "workflow.ActOnCase";
const LEAD: &str = "workflow.ActOnLead";

/// Fields of Mutation.
pub const MUTATIONS: [Mutation; 76] = [
    mutation("putDivision", "households.PutDivision", "division"),
    mutation("mergeDivision", "households.MergeDivision", "division"),
    mutation("putNoticePlace", "households.PutNoticePlace", "place"),
    mutation("putMonitoringLine", "households.PutMonitoringLine", "line"),
    mutation("resealPersonalData", "households.ResealPersonalData", ""),
    mutation("createHousehold", "households.CreateHousehold", ""),
    mutation("updateHousehold", "households.UpdateHousehold", "household"),
    mutation("putMember", "households.PutMember", ""),
    mutation("putRelative", "households.PutRelative", ""),
    mutation("recordIncome", "households.RecordIncome", ""),
    mutation("recordGuarantees", "households.RecordGuarantees", ""),
    mutation("putRisks", "households.PutRisks", ""),
    mutation(
        "grantAuthorisation",
        "households.GrantAuthorisation",
        "authorisation",
    ),
    mutation(
        "withdrawAuthorisation",
        "households.WithdrawAuthorisation",
        "",
    ),
    mutation(
        "checkAuthorisation",
        "households.CheckAuthorisation",
        "authorisation",
    ),
    file("importHouseholds", "households.ImportSheet"),
    mutation("submitLead", "workflow.SubmitLead", ""),
    mutation("orderLeadVisit", LEAD, "order_visit"),
    mutation("recordLeadVisit", LEAD, "record_visit"),
    mutation("dismissLead", LEAD, "dismiss"),
    mutation("forwardLead", LEAD, "forward"),
    mutation("concludeLeadWithoutRisk", LEAD, "no_risk"),
    mutation("concludeLeadAsSectorIssue", LEAD, "sector_issue"),
    mutation("declareCase", "workflow.DeclareCase", ""),
    mutation("authoriseCase", ACT, "command.authorise"),
    mutation("verifyCase", ACT, "command.verify"),
    mutation("findCaseNotQualified", ACT, "command.find_not_qualified"),
    mutation("holdMeeting", "workflow.HoldMeeting", "meeting"),
    mutation("postNotice", ACT, "command.post_notice"),
    mutation("removeNotice", ACT, "command.remove_notice"),
    mutation("closeNotice", ACT, "command.close_notice"),
    mutation("submitVillageReport", ACT, "command.submit_village_report"),
    mutation("reviewCase", ACT, "command.review_by_township"),
    mutation("confirmComparison", ACT, "command.confirm_comparison"),
    mutation("disqualifyCase", ACT, "command.disqualify"),
    mutation("approveCase", ACT, "command.approve"),
    mutation("enrolCase", ACT, "command.enrol"),
    mutation("startAssistance", ACT, "command.start_assistance"),
    mutation("trackCase", ACT, "command.track"),
    mutation("resumeAssistance", ACT, "command.resume_assistance"),
    mutation("proposeElimination", ACT, "command.propose_elimination"),
    mutation("returnToAssistance", ACT, "command.return_to_assistance"),
    mutation("fileElimination", ACT, "command.file"),
    mutation("eliminateRisk", ACT, "command.eliminate"),
    mutation("flagEmergency", ACT, "command.flag_emergency"),
    mutation("closeCaseNaturally", ACT, "command.close_natural"),
    mutation("withdrawCase", ACT, "command.withdraw"),
    mutation(
        "returnCaseForCorrection",
        ACT,
        "command.return_for_correction",
    ),
    mutation("appealCase", ACT, "command.appeal"),
    mutation("decideAppeal", ACT, "command.decide_appeal"),
    mutation("grantOverride", ACT, "command.grant_override"),
    mutation("recordObjection", ACT, "command.object"),
    mutation("recheckObjection", ACT, "command.recheck"),
    mutation("answerObjection", ACT, "command.answer_objection"),
    mutation("freezeWarningList", "workflow.FreezeWarningList", ""),
    mutation("loadTemplate", "workflow.LoadTemplate", ""),
    mutation("claimWork", "workflow.ClaimWork", ""),
    mutation("releaseWork", "workflow.ReleaseWork", ""),
    mutation("handOverWork", "workflow.HandOverWork", ""),
    mutation("appointDeputy", "workflow.AppointDeputy", "deputy"),
    mutation("revokeDeputy", "workflow.RevokeDeputy", ""),
    file("submitAlertBatch", "comparison.SubmitAlertBatch"),
    file("submitItemFile", "comparison.SubmitItemFile"),
    mutation("putAlertRule", "comparison.PutAlertRule", "rule"),
    mutation("putComparisonRule", "comparison.PutComparisonRule", "rule"),
    mutation("reuseCheck", "comparison.ReuseCheck", ""),
    mutation("startComparison", "comparison.StartComparison", ""),
    mutation("answerHit", "comparison.AnswerHit", ""),
    mutation("decideHit", "comparison.DecideHit", ""),
    mutation("correctBatch", "comparison.CorrectBatch", ""),
    mutation(
        "closeReconsideration",
        "comparison.CloseReconsideration",
        "",
    ),
    mutation("assignResponsible", "measures.AssignResponsible", ""),
    mutation("planMeasure", "measures.PlanMeasure", ""),
    mutation("recordDelivery", "measures.RecordDelivery", "delivery"),
    mutation("closeRisk", "measures.CloseRisk", "closed"),
    mutation(
        "recordMonitoring",
        "measures.RecordMonitoring",
        "monitoring",
    ),
];

/// Fields that callers do not see: they are for services, or hold what a role may not.
pub const UNSEEN: [(&str, &str); 5] = [
    // Its texts are shown by the fields of the event itself.
    ("CaseEvent", "command"),
    ("CaseEvent", "declaration"),
    ("CaseEvent", "comparison_age_days_max"),
    // Pages have their own place.
    ("Alert", "position"),
    ("AccessEntry", "place"),
];

/// Fields of messages that no caller sets: they follow from what happens.
pub const UNSET: [(&str, &[&str]); 9] = [
    (
        "Household",
        &[
            "head_name",
            "member_count",
            "subject_class",
            "category",
            "create_time",
            "update_time",
        ],
    ),
    ("Division", &["parent_code"]),
    ("NoticePlace", &["required"]),
    ("Authorisation", &["id", "withdrawn_on"]),
    ("AlertRule", &["version"]),
    ("ComparisonRule", &["version"]),
    (
        "Deputy",
        &["id", "appointed_by", "revoked_on", "create_time"],
    ),
    ("Monitoring", &["recorded_by", "recorded_at"]),
    ("Meeting", &["id", "recorded_by", "record_time"]),
];
