//! A case on its way through the procedure, step by step as the people of the county take them.

use kernel::{Code, ItemKind, Role};
use serde_json::{Value, json};

use crate::{
    COUNTY, Client, Sandbox,
    county::Places,
    family::{EVIDENCE, Registered},
    until,
};

/// A case, and the people who work on it.
#[derive(Debug)]
pub struct Journey<'a> {
    /// Where it happens.
    pub sandbox: &'a Sandbox,
    /// Whose case it is.
    pub family: Registered,
    /// Places where notices hang.
    pub places: Places,
    /// Node id of the case.
    pub case: String,
    /// Village cadre.
    pub cadre: Client,
    /// First secretary, who appraises.
    pub secretary: Client,
    /// Township office.
    pub office: Client,
    /// Township leader.
    pub leader: Client,
    /// County officer.
    pub officer: Client,
    /// Responsible person.
    pub responsible: Client,
}

impl<'a> Journey<'a> {
    /// T1: the family declares itself.
    ///
    /// # Panics
    /// It is refused.
    pub async fn declare(sandbox: &'a Sandbox, family: Registered, places: &Places) -> Self {
        let cadre = sandbox.client(Role::VillageCadre, family.village);
        let input = Self::declaration(&family);
        let payload = cadre
            .accepted("declareCase", input, "case { id state }")
            .await;
        assert_eq!(payload["case"]["state"], "DECLARED");
        let case = payload["case"]["id"].as_str().expect("an id").to_owned();
        Self::of(sandbox, family, places, case)
    }

    /// Input of a declaration by the family itself.
    #[must_use]
    pub fn declaration(family: &Registered) -> Value {
        json!({
            "householdId": family.id, "channel": "SELF_DECLARATION",
            "risks": [{ "type": family.risk }], "evidenceSha256": [EVIDENCE],
        })
    }

    /// A case that is there.
    #[must_use]
    pub fn of(sandbox: &'a Sandbox, family: Registered, places: &Places, case: String) -> Self {
        let village = family.village;
        let township = format!("{}000", &village[..9]);
        Self {
            sandbox,
            places: places.clone(),
            case,
            cadre: sandbox.client(Role::VillageCadre, village),
            secretary: sandbox.client(Role::FirstSecretary, village),
            office: sandbox.client(Role::TownshipOffice, &township),
            leader: sandbox.client(Role::TownshipLeader, &township),
            officer: sandbox.client(Role::CountyOfficer, COUNTY),
            responsible: sandbox.client(Role::ResponsiblePerson, village),
            family,
        }
    }

    fn with_case(&self, mut input: Value) -> Value {
        input["caseId"] = json!(self.case);
        input
    }

    /// Does something to the case as `who`; returns its new state.
    ///
    /// # Panics
    /// It is refused.
    pub async fn act(&self, who: &Client, mutation: &str, input: Value) -> String {
        let payload = who
            .accepted(mutation, self.with_case(input), "case { state }")
            .await;
        payload["case"]["state"]
            .as_str()
            .expect("a state")
            .to_owned()
    }

    /// Tries something that must be refused; returns rules and codes.
    ///
    /// # Panics
    /// It is accepted.
    pub async fn refused(&self, who: &Client, mutation: &str, input: Value) -> Vec<String> {
        who.refused(mutation, self.with_case(input)).await
    }

    /// Today.
    #[must_use]
    pub fn today(&self) -> String {
        self.sandbox.today().to_string()
    }

    /// The current instant, as the gateway reads it.
    #[must_use]
    pub fn now(&self) -> String {
        kernel::local_time(self.sandbox.now()).to_string()
    }

    /// A bill of the first member's so high that it raises an alert.
    ///
    /// # Panics
    /// It does not.
    pub async fn high_bill(&self) {
        let id_number = &self.family.id_numbers[0];
        let rows = format!("id_number,stay_oop,ytd_oop\n{id_number},50000,50000\n");
        let today = self.today();
        let path = format!(
            "alerts?department=medical_insurance&rowKind=medical_expense&dataDate={today}&fileName=h.csv"
        );
        let report = self.officer.upload(&path, rows.into_bytes()).await;
        assert!(report["alertsRaised"].as_i64() >= Some(1), "{report:#}");
    }

    /// T2.
    ///
    /// # Panics
    /// It is refused.
    pub async fn authorise(&self) {
        self.family.authorise(self.sandbox, false).await;
        let input = json!({ "textVersion": "2026-1", "evidenceSha256": EVIDENCE });
        assert_eq!(
            self.act(&self.cadre, "authoriseCase", input).await,
            "AUTHORISED"
        );
    }

    /// Input of a home visit with everything in order.
    #[must_use]
    pub fn visit(&self) -> Value {
        json!({
            "visitors": [self.cadre.account, "grid-worker-1"], "visitedOn": self.today(),
            "standardMet": true, "trueStatement": true, "complete": true,
            "evidenceSha256": [EVIDENCE],
        })
    }

    /// T3.
    ///
    /// # Panics
    /// It is refused.
    pub async fn verify(&self) {
        assert_eq!(
            self.act(&self.cadre, "verifyCase", self.visit()).await,
            "VERIFIED"
        );
    }

    /// T4.
    ///
    /// # Panics
    /// It is refused.
    pub async fn list(&self) {
        let month = kernel::Month::of(self.sandbox.today()).to_string();
        let input = json!({ "divisionCode": self.family.village, "month": month });
        self.cadre
            .accepted("freezeWarningList", input, "list { version }")
            .await;
        assert_eq!(self.state().await, "WARNING_LISTED");
    }

    /// Input of a meeting with so many villager representatives, all for the case.
    #[must_use]
    pub fn meeting(&self, representatives: usize) -> Value {
        let ballot = json!({
            "caseId": self.case, "votesFor": representatives, "votesAgainst": 0,
            "votesAbstained": 0,
        });
        json!({
            "divisionCode": self.family.village, "heldOn": self.today(),
            "attendees": attendees(representatives), "conflictsDeclared": true,
            "ballots": [ballot], "evidenceSha256": [EVIDENCE],
        })
    }

    /// Holds a meeting; returns the new state of the case.
    ///
    /// # Panics
    /// It is refused.
    pub async fn hold(&self, meeting: Value) -> String {
        let payload = self
            .secretary
            .accepted("holdMeeting", meeting, "cases { state }")
            .await;
        let state = payload["cases"][0]["state"].as_str();
        state.expect("a state").to_owned()
    }

    /// T5 with the category that follows from the facts.
    ///
    /// # Panics
    /// It is refused.
    pub async fn appraise(&self) {
        let mut meeting = self.meeting(15);
        meeting["ballots"][0]["category"] = json!(self.category().await);
        assert_eq!(self.hold(meeting).await, "APPRAISED");
    }

    /// Category that the registry's assessment leads to.
    ///
    /// # Panics
    /// There is none.
    pub async fn category(&self) -> String {
        let query = "query($id: ID!) { household(id: $id) { assessment { category } } }";
        let data = self.cadre.ask(query, json!({ "id": self.family.id })).await;
        data["household"]["assessment"]["category"]
            .as_str()
            .expect("a category")
            .to_owned()
    }

    /// T6 at one place; returns the state.
    ///
    /// # Panics
    /// It is refused.
    pub async fn post(&self, place: &str) -> String {
        let input = json!({ "placeId": place, "postedAt": self.now(), "evidenceSha256": EVIDENCE });
        self.act(&self.cadre, "postNotice", input).await
    }

    /// T6 at every required place.
    ///
    /// # Panics
    /// It is refused.
    pub async fn post_everywhere(&self) {
        self.post(&self.places.committee).await;
        let state = self.post(&self.places.concentration).await;
        assert!(state.ends_with("ON_NOTICE"), "{state}");
    }

    /// Input of the closing of a notice that hangs at every required place.
    #[must_use]
    pub fn closing(&self) -> Value {
        self.closing_at(&[&self.places.committee, &self.places.concentration])
    }

    /// The same of a notice that hangs at `places`.
    #[must_use]
    pub fn closing_at(&self, places: &[&str]) -> Value {
        let removals = places.iter().map(|place| {
            json!({ "placeId": place, "removedAt": self.now(), "evidenceSha256": EVIDENCE })
        });
        json!({ "removals": removals.collect::<Vec<_>>() })
    }

    /// T6 and, seven days later, T7.
    ///
    /// # Panics
    /// It is refused.
    pub async fn notice(&self) {
        self.post_everywhere().await;
        self.sandbox.advance_days(7);
        let state = self.act(&self.cadre, "closeNotice", self.closing()).await;
        assert!(state.ends_with("NOTICE_CLOSED"), "{state}");
    }

    /// T8 with the village's report before it (S32).
    ///
    /// # Panics
    /// It is refused.
    pub async fn review(&self) {
        let report = json!({ "evidenceSha256": EVIDENCE });
        self.act(&self.cadre, "submitVillageReport", report).await;
        let input = json!({
            "papersRegular": true, "papersComplete": true, "opinion": "程序规范,资料齐全",
            "evidenceSha256": EVIDENCE,
        });
        assert_eq!(
            self.act(&self.office, "reviewCase", input).await,
            "TOWNSHIP_REVIEWED"
        );
    }

    /// The nine departments' files, with no hit, and T9.
    ///
    /// # Panics
    /// It is refused.
    pub async fn compare(&self) {
        self.comparison_open().await;
        self.deliver_items(|_| Vec::new()).await;
        self.confirm().await;
    }

    /// Waits until the authorised case has opened its comparison.
    ///
    /// # Panics
    /// It does not.
    pub async fn comparison_open(&self) {
        until("the comparison is open", async || {
            let query = "query($id: ID!) { case(id: $id) { comparison { id } } }";
            let data = self.officer.ask(query, json!({ "id": self.case })).await;
            (!data["case"]["comparison"].is_null()).then_some(())
        })
        .await;
    }

    /// Delivers a file for each item; `rows` says what is in it beside the header.
    ///
    /// # Panics
    /// A file is refused.
    pub async fn deliver_items(&self, rows: impl Fn(ItemKind) -> Vec<String>) {
        for &item in ItemKind::ALL {
            let file = item_file(item, &rows(item));
            let path = format!(
                "items/{item}?department={}&dataDate={}&fileName={}.csv",
                demo::department_of(item),
                self.today(),
                item.as_str().to_lowercase()
            );
            self.officer.upload(&path, file.into_bytes()).await;
        }
    }

    /// T9, once the result set has arrived.
    ///
    /// # Panics
    /// It is refused.
    pub async fn confirm(&self) {
        assert_eq!(
            self.act(&self.officer, "confirmComparison", json!({}))
                .await,
            "COMPARED"
        );
    }

    /// S36: the responsible person.
    ///
    /// # Panics
    /// It is refused.
    pub async fn assign(&self) {
        let input = self.with_case(json!({
            "account": self.responsible.account, "unit": "县农业农村局", "from": self.today(),
        }));
        self.officer
            .accepted("assignResponsible", input, "plan { version }")
            .await;
    }

    /// S36: a measure against the risk, and the planned day.
    ///
    /// # Panics
    /// It is refused.
    pub async fn plan(&self, kind: &str) -> String {
        let planned = self.sandbox.today() + chrono::Duration::days(200);
        let input = self.with_case(json!({
            "kind": kind, "risk": self.family.risk, "description": "按户施策",
            "dueOn": planned.to_string(), "plannedEliminationOn": planned.to_string(),
        }));
        let payload = self
            .cadre
            .accepted("planMeasure", input, "plan { measures { id kind } }")
            .await;
        let measures = payload["plan"]["measures"].as_array().expect("measures");
        let measure = measures
            .iter()
            .find(|m| m["kind"] == kind)
            .expect("the measure");
        measure["id"].as_str().expect("an id").to_owned()
    }

    /// T11.
    ///
    /// # Panics
    /// It is refused.
    pub async fn enrol(&self) {
        assert_eq!(
            self.act(&self.cadre, "enrolCase", json!({})).await,
            "ENROLLED"
        );
    }

    /// A delivery.
    ///
    /// # Panics
    /// It is refused.
    pub async fn deliver(&self, measure: &str) {
        let input = self.with_case(json!({
            "measureId": measure, "deliveredOn": self.today(), "amount": "1000.00",
            "confirmed": true, "evidenceSha256": EVIDENCE,
        }));
        self.responsible
            .accepted("recordDelivery", input, "plan { version }")
            .await;
    }

    /// T12.
    ///
    /// # Panics
    /// It is refused.
    pub async fn start_assistance(&self) {
        let state = self
            .act(&self.responsible, "startAssistance", json!({}))
            .await;
        assert_eq!(state, "UNDER_ASSISTANCE");
    }

    /// From the declaration to the last notice put up.
    ///
    /// # Panics
    /// A step is refused.
    pub async fn to_notice(&self) {
        self.to_appraised().await;
        self.post_everywhere().await;
    }

    /// From the declaration to the closed notice.
    ///
    /// # Panics
    /// A step is refused.
    pub async fn to_notice_closed(&self) {
        self.to_appraised().await;
        self.notice().await;
    }

    /// From the declaration to the appraisal.
    ///
    /// # Panics
    /// A step is refused.
    pub async fn to_appraised(&self) {
        self.authorise().await;
        self.verify().await;
        self.list().await;
        self.appraise().await;
    }

    /// From the declaration to ENROLLED; returns the planned measures.
    ///
    /// # Panics
    /// A step is refused.
    pub async fn to_enrolled(&self, kinds: &[&str]) -> Vec<String> {
        self.to_notice_closed().await;
        self.review().await;
        self.compare().await;
        self.assign().await;
        let mut measures = Vec::new();
        for kind in kinds {
            measures.push(self.plan(kind).await);
        }
        self.enrol().await;
        measures
    }

    /// From the declaration to UNDER_ASSISTANCE.
    ///
    /// # Panics
    /// A step is refused.
    pub async fn to_assistance(&self, kinds: &[&str]) {
        for measure in self.to_enrolled(kinds).await {
            self.deliver(&measure).await;
        }
        self.start_assistance().await;
    }

    /// What has to be there before elimination besides time: the risk is gone, income stands.
    ///
    /// # Panics
    /// It is refused.
    pub async fn recover(&self) {
        self.family.record_income(self.sandbox, 96_000, 0).await;
        self.family.record_guarantees(self.sandbox).await;
        let input = self.with_case(json!({
            "risk": self.family.risk, "closedOn": self.today(), "reason": "治疗结束,已康复",
        }));
        self.responsible
            .accepted("closeRisk", input, "plan { version }")
            .await;
    }

    /// T14 to T17.
    ///
    /// # Panics
    /// A step is refused.
    pub async fn eliminate(&self) {
        let proposal = json!({ "kind": "BY_ASSISTANCE" });
        self.act(&self.responsible, "proposeElimination", proposal)
            .await;
        self.act(&self.cadre, "verifyCase", self.visit()).await;
        self.hold(self.meeting(15)).await;
        self.notice().await;
        let document = json!({ "documentNumber": "青政发〔2026〕7号", "evidenceSha256": EVIDENCE });
        assert_eq!(
            self.act(&self.leader, "fileElimination", document).await,
            "FILED"
        );
        // A month may have ended meanwhile.
        self.family.record_income(self.sandbox, 96_000, 0).await;
        let filing = json!({
            "filingNumber": "2026-0001", "contactName": "张大山", "contactPhone": "13800000000",
        });
        let state = self.act(&self.officer, "eliminateRisk", filing).await;
        assert_eq!(state, "RISK_ELIMINATED");
    }

    /// State of the case.
    ///
    /// # Panics
    /// The case is not visible.
    pub async fn state(&self) -> String {
        let query = "query($id: ID!) { case(id: $id) { state } }";
        let data = self.cadre.ask(query, json!({ "id": self.case })).await;
        data["case"]["state"].as_str().expect("a state").to_owned()
    }

    /// Any fields of the case.
    ///
    /// # Panics
    /// The case is not visible.
    pub async fn case(&self, selection: &str) -> Value {
        let query = format!("query($id: ID!) {{ case(id: $id) {{ {selection} }} }}");
        self.cadre.ask(&query, json!({ "id": self.case })).await["case"].clone()
    }
}

/// A sign-in sheet: so many villager representatives, and one or two of everybody else (S27).
#[must_use]
pub fn attendees(representatives: usize) -> Vec<Value> {
    let others = [
        &["TOWNSHIP_LIAISON"][..],
        &["VILLAGE_CADRE", "COMMITTEE_MEMBER"],
        &["COMMITTEE_MEMBER"],
        &["RESIDENT_TEAM"],
    ];
    let sheet = std::iter::repeat_n(&["VILLAGER_REPRESENTATIVE"][..], representatives);
    let sheet = sheet.chain(others).enumerate();
    sheet
        .map(|(at, capacities)| json!({ "name": format!("代表{at}"), "capacities": capacities }))
        .collect()
}

/// An item's file: its header and rows.
fn item_file(item: ItemKind, rows: &[String]) -> String {
    let mut text = demo::item_columns(item).join(",");
    for row in rows {
        text.push('\n');
        text.push_str(row);
    }
    text.push('\n');
    text
}
