//! What no procedure may lack. The bounds are the law's; the order is checked over the whole state
//! graph: every state that can be reached, with everything that has happened on the way there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kernel::{Code, Role};

use super::{Evidence, Fault, Guard, Hold, Step, Template, Within};
use crate::state::{CaseState, Move};

/// Every fault of a template.
pub(super) fn faults(template: &Template) -> Vec<Fault> {
    let mut found = Vec::new();
    header(template, &mut found);
    parameters(template, &mut found);
    for (at, step) in template.steps.iter().enumerate() {
        self::step(template, at, step, &mut found);
    }
    limits(template, &mut found);
    // A graph of broken steps would only repeat what is wrong with them.
    if found.is_empty() {
        graph(template, &mut found);
    }
    found
}

fn need(
    found: &mut Vec<Fault>,
    met: bool,
    path: &str,
    code: &'static str,
    expected: impl ToString,
) {
    if !met {
        found.push(Fault::new(path, code, expected));
    }
}

fn header(template: &Template, found: &mut Vec<Fault>) {
    let allowed = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    let id = &template.id;
    let is_id = (1..=40).contains(&id.len()) && id.bytes().all(allowed);
    need(
        found,
        is_id,
        "id",
        "MALFORMED",
        "A-Z, 0-9 and _, at most 40",
    );
    need(
        found,
        template.version >= 1,
        "version",
        "OUT_OF_RANGE",
        "1..",
    );
    for (path, text) in [("title", &template.title), ("basis", &template.basis)] {
        need(
            found,
            text.chars().count() <= 200,
            path,
            "TOO_LONG",
            "at most 200 characters",
        );
    }
    let is_named = !template.title.trim().is_empty();
    need(found, is_named, "title", "REQUIRED", "a title");
    let ends_after = template
        .valid_until
        .is_none_or(|until| template.valid_from <= until);
    need(
        found,
        ends_after,
        "valid_until",
        "OUT_OF_RANGE",
        template.valid_from,
    );
    for (category, name) in &template.category_names {
        let is_name = (1..=40).contains(&name.chars().count());
        let path = format!("category_names.{category}");
        need(found, is_name, &path, "TOO_LONG", "1..40 characters");
    }
}

fn parameters(template: &Template, found: &mut Vec<Fault>) {
    let p = &template.parameters;
    let (hold, hold_min) = match p.hold {
        Hold::Months(months) => (months, 6),
        Hold::Quarters(quarters) => (quarters * 3, 6),
    };
    let bounds = [
        (
            "visitors_min",
            u32::try_from(p.visitors_min).unwrap_or(u32::MAX),
            2,
            10,
        ),
        (
            "villager_representatives_min",
            p.villager_representatives_min,
            15,
            500,
        ),
        ("notice_days", p.notice_days, 5, 60),
        ("comparison_age_days_max", p.comparison_age_days_max, 1, 90),
        ("hold", hold, hold_min, 24),
        ("stable_months", p.stable_months, 6, 24),
        ("emergency_papers_days", p.emergency_papers_days, 1, 90),
        ("appeal_days", p.appeal_days, 15, 180),
    ];
    for (name, value, from, to) in bounds {
        let path = format!("parameters.{name}");
        need(
            found,
            (from..=to).contains(&value),
            &path,
            "OUT_OF_RANGE",
            format!("{from}..{to}"),
        );
    }
}

/// What a move has to bring along in every procedure, by itself or in an elimination.
fn least(step: Move, eliminating: bool) -> (&'static [Guard], &'static [Evidence]) {
    use Evidence as E;
    use Guard as G;
    match step {
        Move::Authorise => (&[G::PersonsAuthorised], &[E::SignedForm]),
        Move::Verify if eliminating => (
            &[G::Investigated, G::GuaranteesSafe, G::StaysAboveLine],
            &[E::VisitForm],
        ),
        Move::Verify => (&[G::Investigated], &[E::VisitForm]),
        Move::Appraise => (&[], &[E::Minutes]),
        Move::PostNotice => (&[], &[E::PostingPhoto]),
        Move::CloseNotice => (&[G::HungLongEnough, G::NoOpenObjection], &[E::RemovalPhoto]),
        Move::Object => (&[G::NoticeHangs], &[]),
        Move::Recheck => (&[G::ObjectionOpen], &[E::RecheckForm]),
        Move::AnswerObjection => (&[G::ObjectionRechecked], &[E::AnswerLetter]),
        Move::SubmitVillageReport => (&[], &[E::ReportScan]),
        Move::ReviewByTownship => (&[], &[E::Checklist]),
        Move::ConfirmComparison => (&[G::Compared], &[]),
        Move::Disqualify => (&[], &[E::DecisionLetter]),
        Move::Enrol => (&[G::Category, G::HelpArranged], &[]),
        Move::StartAssistance => (&[G::Helped], &[]),
        Move::Track => (&[G::Secured], &[]),
        Move::ResumeAssistance => (&[G::Labour], &[]),
        Move::ProposeElimination => (&[G::Eliminable], &[]),
        Move::File => (&[], &[E::DocumentScan]),
        Move::Eliminate => (&[G::AfterValues], &[]),
        Move::CloseNatural => (&[], &[E::NaturalProof]),
        Move::Withdraw => (&[], &[E::OwnStatement]),
        Move::ReturnForCorrection => (&[G::VillageReported], &[]),
        Move::Appeal => (&[G::Appealable], &[E::OwnStatement]),
        Move::DecideAppeal => (&[], &[E::DecisionLetter]),
        Move::Declare
        | Move::FindNotQualified
        | Move::ListForWarning
        | Move::RemoveNotice
        | Move::Approve
        | Move::ReturnToAssistance
        | Move::FlagEmergency
        | Move::GrantOverride => (&[], &[]),
    }
}

/// Papers that a command can bring at all.
fn brings(step: Move) -> &'static [Evidence] {
    least(step, true).1
}

/// Roles that decide nothing: machines, those who look on, and those who only sit in meetings.
const NO_ACTORS: &[Role] = &[
    Role::Service,
    Role::SystemAdmin,
    Role::Auditor,
    Role::DisciplineInspection,
    Role::DepartmentLiaison,
];

/// Those whose own work an objection is against: the township or those above it look into it (T7o).
const OBJECTED_TO: &[Role] = &[
    Role::Farmer,
    Role::GridWorker,
    Role::VillageCadre,
    Role::FirstSecretary,
    Role::ResponsiblePerson,
];

fn step(template: &Template, at: usize, step: &Step, found: &mut Vec<Fault>) {
    let path = |field: &str| format!("steps[{at}].{field}");
    let is_first = step.step == Move::Declare;
    need(
        found,
        is_first == step.from.is_empty(),
        &path("from"),
        "REQUIRED",
        "states, but none for DECLARE",
    );
    for (i, state) in step.from.iter().enumerate() {
        let same = |other: &Step| other.step == step.step && other.from.contains(state);
        let is_twice = template.steps[..at].iter().any(same) || step.from[..i].contains(state);
        need(
            found,
            !is_twice,
            &path("from"),
            "TWICE",
            format!("one {} from {state}", step.step),
        );
        let is_over = match step.step {
            Move::Appeal => !state.is_against(),
            _ => state.is_final(),
        };
        need(
            found,
            !is_over,
            &path("from"),
            "AFTER_THE_END",
            "a state that is not final; for APPEAL one that is against the household",
        );
    }
    let eliminating = step
        .from
        .iter()
        .filter(|state| state.is_eliminating())
        .count();
    let is_either = eliminating == 0 || eliminating == step.from.len() || !step.step.differs();
    need(
        found,
        is_either,
        &path("from"),
        "MIXED",
        "identification or elimination, not both",
    );
    need(
        found,
        !step.roles.is_empty(),
        &path("roles"),
        "REQUIRED",
        "a role",
    );
    for role in step.roles.iter().filter(|role| NO_ACTORS.contains(role)) {
        need(
            found,
            false,
            &path("roles"),
            "DECIDES_NOTHING",
            format!("not {role}"),
        );
    }
    let judges = matches!(step.step, Move::Recheck | Move::AnswerObjection);
    let involved = step.roles.iter().filter(|role| OBJECTED_TO.contains(role));
    for role in involved.filter(|_| judges) {
        need(
            found,
            false,
            &path("roles"),
            "JUDGES_ITSELF",
            format!("not {role}"),
        );
    }
    let (guards, evidence) = least(step.step, eliminating > 0);
    for guard in guards.iter().filter(|guard| !step.guards.contains(guard)) {
        need(found, false, &path("guards"), "MISSING", guard);
    }
    for paper in evidence
        .iter()
        .filter(|paper| !step.evidence.contains(paper))
    {
        need(found, false, &path("evidence"), "MISSING", paper);
    }
    for paper in step
        .evidence
        .iter()
        .filter(|paper| !brings(step.step).contains(paper))
    {
        need(
            found,
            false,
            &path("evidence"),
            "NOT_BROUGHT",
            format!("not {paper}"),
        );
    }
}

fn limits(template: &Template, found: &mut Vec<Fault>) {
    for (at, limit) in template.limits.iter().enumerate() {
        let (length, most) = match limit.within {
            Within::Days(days) => (days, 366),
            Within::WorkingDays(days) => (days, 250),
            Within::Months(months) => (months, 12),
        };
        let path = format!("limits[{at}].within");
        need(
            found,
            (1..=most).contains(&length),
            &path,
            "OUT_OF_RANGE",
            format!("1..{most}"),
        );
        let path = format!("limits[{at}].states");
        let open = limit.states.iter().all(|state| !state.is_final());
        need(
            found,
            open && !limit.states.is_empty(),
            &path,
            "REQUIRED",
            "states that are not final",
        );
    }
    let escalation = &template.escalation;
    need(
        found,
        escalation.warn_days <= 30,
        "escalation.warn_days",
        "OUT_OF_RANGE",
        "0..30",
    );
    let red = (1..=90).contains(&escalation.red_after_days);
    need(
        found,
        red,
        "escalation.red_after_days",
        "OUT_OF_RANGE",
        "1..90",
    );
    for (path, roles) in [
        ("escalation.orange_roles", &escalation.orange_roles),
        ("escalation.red_roles", &escalation.red_roles),
    ] {
        let told = !roles.is_empty() && !roles.contains(&Role::Service);
        need(found, told, path, "REQUIRED", "roles of people");
    }
}

/// What has happened to a case on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Past {
    authorised: bool,
    verified: bool,
    appraised: bool,
    noticed: bool,
    compared: bool,
    enrolled: bool,
    helped: bool,
    tracked: bool,
    proposed: bool,
    elim_verified: bool,
    elim_appraised: bool,
    elim_noticed: bool,
    filed: bool,
}

impl Past {
    /// The past after a step that was made in `from`.
    fn after(mut self, step: Move, from: CaseState) -> Self {
        let eliminating = from.is_eliminating();
        match step {
            Move::Authorise => self.authorised = true,
            Move::Verify if eliminating => self.elim_verified = true,
            Move::Verify => self.verified = true,
            // A notice tells of the meeting before it.
            Move::Appraise if eliminating => {
                (self.elim_appraised, self.elim_noticed) = (true, false)
            }
            Move::Appraise => (self.appraised, self.noticed) = (true, false),
            Move::RemoveNotice | Move::PostNotice if eliminating => self.elim_noticed = false,
            Move::RemoveNotice | Move::PostNotice => self.noticed = false,
            Move::CloseNotice if eliminating => self.elim_noticed = true,
            Move::CloseNotice => self.noticed = true,
            Move::ConfirmComparison => self.compared = true,
            Move::Enrol => self.enrolled = true,
            Move::StartAssistance => self.helped = true,
            Move::Track => self.tracked = true,
            Move::ResumeAssistance => self.tracked = false,
            Move::ProposeElimination => self = self.before_elimination(true),
            Move::ReturnToAssistance => self = self.before_elimination(false),
            Move::File => self.filed = true,
            _ => {}
        }
        self
    }

    /// The past after a step that led to `to` because it did not succeed.
    fn otherwise(self, to: CaseState) -> Self {
        match to {
            CaseState::UnderAssistance => self.before_elimination(false),
            _ => self,
        }
    }

    fn before_elimination(self, proposed: bool) -> Self {
        Self {
            proposed,
            elim_verified: false,
            elim_appraised: false,
            elim_noticed: false,
            filed: false,
            ..self
        }
    }

    /// What a step lacks of what has to be before it.
    fn lacks_before(self, step: Move, eliminating: bool) -> Option<&'static str> {
        let needed: &[(bool, &str)] = match step {
            Move::ConfirmComparison => &[(self.authorised, "SKIPS_AUTHORISATION")],
            Move::Appraise if eliminating => &[(self.elim_verified, "SKIPS_VERIFICATION")],
            Move::Appraise => &[(self.verified, "SKIPS_VERIFICATION")],
            Move::PostNotice if eliminating => &[(self.elim_appraised, "SKIPS_APPRAISAL")],
            Move::PostNotice => &[(self.appraised, "SKIPS_APPRAISAL")],
            Move::ReviewByTownship => &[(self.noticed, "SKIPS_NOTICE")],
            Move::File => &[(self.elim_noticed, "SKIPS_NOTICE")],
            _ => &[],
        };
        lacking(needed)
    }

    /// What a state lacks of what has to be before it, and what must not have been.
    fn lacks_in(self, state: CaseState) -> Option<&'static str> {
        use CaseState as S;
        let is_subject = state.is_eliminating()
            || matches!(
                state,
                S::Enrolled | S::UnderAssistance | S::SustainedTracking | S::RiskEliminated
            );
        let subject = [
            (self.authorised, "SKIPS_AUTHORISATION"),
            (self.verified, "SKIPS_VERIFICATION"),
            (self.appraised, "SKIPS_APPRAISAL"),
            (self.noticed, "SKIPS_NOTICE"),
            (self.compared, "SKIPS_COMPARISON"),
            (self.enrolled, "SKIPS_ENROLMENT"),
        ];
        let ending = [
            (!self.tracked, "TRACKED"),
            (self.helped, "SKIPS_ASSISTANCE"),
            (self.proposed, "SKIPS_PROPOSAL"),
        ];
        let ended = [
            (self.elim_verified, "SKIPS_VERIFICATION"),
            (self.elim_appraised, "SKIPS_APPRAISAL"),
            (self.elim_noticed, "SKIPS_NOTICE"),
            (self.filed, "SKIPS_FILING"),
        ];
        let is_ended = state == S::RiskEliminated;
        let is_own_end = matches!(state, S::ClosedNatural | S::Withdrawn);
        let is_ending = is_ended || state.is_eliminating();
        let of = |applies: bool, needed: &[(bool, &'static str)]| {
            applies.then(|| lacking(needed)).flatten()
        };
        of(is_subject, &subject)
            .or_else(|| of(is_ending, &ending))
            .or_else(|| of(is_ended, &ended))
            // A subject is neither sent back to the beginning nor turned away (CMP-9).
            .or_else(|| {
                of(
                    !is_subject && !is_own_end,
                    &[(!self.enrolled, "DROPS_A_SUBJECT")],
                )
            })
    }
}

fn lacking(needed: &[(bool, &'static str)]) -> Option<&'static str> {
    needed.iter().find(|(met, _)| !met).map(|(_, code)| *code)
}

/// A state with its past. There are few: most steps only ever add to a past.
type Node = (CaseState, Past);

fn graph(template: &Template, found: &mut Vec<Fault>) {
    if template.step(Move::Declare, None).is_none() {
        return found.push(Fault::new("steps", "MISSING", Move::Declare));
    }
    let begin: Node = (CaseState::Declared, Past::default());
    let mut before: BTreeMap<Node, Option<Node>> = BTreeMap::from([(begin, None)]);
    let mut waiting = VecDeque::from([begin]);
    // The shortest way is enough for each code.
    let mut told: BTreeSet<&'static str> = BTreeSet::new();
    while let Some(node @ (state, past)) = waiting.pop_front() {
        for step in template.steps_from(state).map(|s| s.step) {
            let (to, otherwise) = step.outcomes(state);
            let ways = [(to, past.after(step, state))].into_iter();
            for (to, after) in ways.chain(otherwise.map(|to| (to, past.otherwise(to)))) {
                let early = past.lacks_before(step, state.is_eliminating());
                if let Some(code) = early.or_else(|| after.lacks_in(to)) {
                    if told.insert(code) {
                        let way = format!("no way {}{to}", way(&before, node));
                        found.push(Fault::new("steps", code, way));
                    }
                    continue;
                }
                before.entry((to, after)).or_insert_with(|| {
                    waiting.push_back((to, after));
                    Some(node)
                });
            }
        }
    }
    let reached: BTreeSet<CaseState> = before.keys().map(|(state, _)| *state).collect();
    ways_out(template, &reached, found);
    objections(template, &reached, found);
}

/// The way to a node, for people.
fn way(before: &BTreeMap<Node, Option<Node>>, node: Node) -> String {
    let mut states = Vec::new();
    let mut at = Some(node);
    while let Some(node) = at {
        states.push(node.0.as_str());
        at = before.get(&node).copied().flatten();
    }
    states
        .iter()
        .rev()
        .map(|state| format!("{state} > "))
        .collect()
}

/// Every state of the file can be reached; from every open one the farmer can withdraw (T20), the
/// household can end (T19), and the procedure goes on to enrolment or elimination.
fn ways_out(template: &Template, reached: &BTreeSet<CaseState>, found: &mut Vec<Fault>) {
    for (at, step) in template.steps.iter().enumerate() {
        for state in step.from.iter().filter(|state| !reached.contains(state)) {
            let expected = format!("a way to {state}");
            found.push(Fault::new(
                format!("steps[{at}].from"),
                "UNREACHABLE",
                expected,
            ));
        }
    }
    for goal in [CaseState::Enrolled, CaseState::RiskEliminated] {
        need(
            found,
            reached.contains(&goal),
            "steps",
            "UNREACHABLE",
            format!("a way to {goal}"),
        );
    }
    // Whoever is turned away may appeal (S35, WF-9), and gets an answer.
    for state in reached.iter().filter(|state| state.is_against()) {
        let there = template.step(Move::Appeal, Some(*state)).is_some();
        let expected = format!("APPEAL from {state}");
        need(found, there, "steps", "MISSING", expected);
    }
    let answered = template.step(Move::DecideAppeal, Some(CaseState::Appealed));
    let is_answered = answered.is_some() || !reached.contains(&CaseState::Appealed);
    need(
        found,
        is_answered,
        "steps",
        "MISSING",
        "DECIDE_APPEAL from APPEALED",
    );
    for state in reached.iter().filter(|state| !state.is_final()) {
        for way in [Move::Withdraw, Move::CloseNatural] {
            let there = template.step(way, Some(*state)).is_some();
            need(
                found,
                there,
                "steps",
                "MISSING",
                format!("{way} from {state}"),
            );
        }
        let on = goes_on(template, *state);
        need(
            found,
            on,
            "steps",
            "DEAD_END",
            format!("a way on from {state}"),
        );
    }
}

/// Wherever a notice is put up or closed somebody may object, and is answered (T7o). That nothing
/// closes before is a guard that every closing has.
fn objections(template: &Template, reached: &BTreeSet<CaseState>, found: &mut Vec<Fault>) {
    let noticed = [Move::PostNotice, Move::CloseNotice].map(|step| template.from(step));
    let noticed: BTreeSet<CaseState> = noticed.concat().into_iter().collect();
    for state in noticed.intersection(reached) {
        for way in [Move::Object, Move::Recheck, Move::AnswerObjection] {
            let there = template.step(way, Some(*state)).is_some();
            let expected = format!("{way} from {state}");
            need(found, there, "steps", "MISSING", expected);
        }
    }
}

/// Whether a case in `state` can still be enrolled or eliminated.
fn goes_on(template: &Template, state: CaseState) -> bool {
    let mut seen = BTreeSet::from([state]);
    let mut waiting = vec![state];
    while let Some(at) = waiting.pop() {
        // A granted appeal leads back to where the case stood.
        if at == CaseState::Appealed {
            return true;
        }
        for step in template.steps_from(at) {
            let (to, otherwise) = step.step.outcomes(at);
            for to in [Some(to), otherwise].into_iter().flatten() {
                if matches!(to, CaseState::Enrolled | CaseState::RiskEliminated) {
                    return true;
                }
                if seen.insert(to) {
                    waiting.push(to);
                }
            }
        }
    }
    false
}
