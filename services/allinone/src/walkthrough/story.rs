//! The story: an expensive illness, from the sheet to 风险消除, forbidden moves included.

use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::{NaiveDate, TimeDelta};
use kernel::{Month, Role};
use serde_json::{Value, json};

use super::narrator::{Actor, Narrator};

const COUNTY: &str = "999999000000";
const TOWNSHIP: &str = "999999001000";
const VILLAGE: &str = "999999001001";
/// A paper as small as a PDF can be, and its hash: it stands for every form, scan and photo.
const PAPER_CONTENT: &[u8] = b"%PDF-1.4\n% a paper of the tests\n";
const PAPER: &str = "63d792f085121fa6b2968117b8bd618e72299e2579e8f50a45212732827f1d9f";
/// A feed is followed within milliseconds; a busy machine is given its time.
const PATIENCE: Duration = Duration::from_secs(20);
/// S44: two quarters, six rolling months.
const TOO_EARLY_DAYS: i64 = 170;
const LATE_ENOUGH_DAYS: i64 = 15;

struct Story {
    tell: Narrator,
    cadre: Actor,
    secretary: Actor,
    responsible: Actor,
    office: Actor,
    leader: Actor,
    officer: Actor,
    household: String,
    case: String,
    today: NaiveDate,
}

pub(super) async fn tell(mut tell: Narrator) -> anyhow::Result<()> {
    let today = tell.today().await?;
    let officer = tell.actor(Role::CountyOfficer, COUNTY)?;
    let family = demo::Story::new(fresh_run(), today)?;
    tell.chapter("The sheet of the national system goes in (S02, S06)");
    let household = import(&tell, &officer, &family).await?;
    let mut story = Story {
        cadre: tell.actor(Role::VillageCadre, VILLAGE)?,
        secretary: tell.actor(Role::FirstSecretary, VILLAGE)?,
        responsible: tell.actor(Role::ResponsiblePerson, VILLAGE)?,
        office: tell.actor(Role::TownshipOffice, TOWNSHIP)?,
        leader: tell.actor(Role::TownshipLeader, TOWNSHIP)?,
        officer,
        tell,
        household,
        case: String::new(),
        today,
    };
    story.assess().await?;
    let lead = story.alert(&family).await?;
    story.declare(&lead).await?;
    story.authorise().await?;
    story.verify_and_list().await?;
    story.appraise().await?;
    story.notice_taken_down().await?;
    story.review().await?;
    story.compare(&family).await?;
    story.enrol().await?;
    story.half_a_year().await?;
    story.eliminate().await
}

/// Every telling has people of its own.
fn fresh_run() -> u32 {
    u32::from_le_bytes(
        crate::folder::random_bytes()[..4]
            .try_into()
            .unwrap_or_default(),
    )
}

async fn import(tell: &Narrator, officer: &Actor, family: &demo::Story) -> anyhow::Result<String> {
    let input = json!({
        "fileName": family.sheet.name,
        "content": family.sheet.content,
    });
    let report = "report { rowsRead householdsCreated rowsRefused errors { row column reason } }";
    let payload = tell
        .accepted(officer, "importHouseholds", input, report)
        .await?;
    tell.say(&format!("✓ {}", payload["report"]));
    let query = "query($n: String!) { findHousehold(idNumber: $n) { id headName } }";
    let data = tell
        .query(
            officer,
            query,
            json!({ "n": family.household.head().id_number.expose() }),
        )
        .await?;
    let id = data["findHousehold"]["id"].as_str();
    Ok(id
        .context("the household is not in the registry")?
        .to_owned())
}

impl Story {
    async fn act(&self, who: &Actor, name: &str, input: Value) -> anyhow::Result<String> {
        self.tell.step(who, name, &self.case, input).await
    }

    async fn refused(
        &self,
        who: &Actor,
        name: &str,
        mut input: Value,
        rule: &str,
    ) -> anyhow::Result<()> {
        input["caseId"] = json!(self.case);
        self.tell.refused(who, name, input, rule).await
    }

    async fn days_pass(&mut self, days: i64) -> anyhow::Result<()> {
        self.today = self.tell.days_pass(days).await?;
        Ok(())
    }

    fn day(&self) -> String {
        self.today.to_string()
    }

    fn noon(&self) -> String {
        kernel::local_time(kernel::day_start(self.today) + TimeDelta::hours(12)).to_string()
    }

    async fn assess(&mut self) -> anyhow::Result<()> {
        self.tell.chapter("What income and expenditure say (S06)");
        let query = "query($id: ID!) { household(id: $id) { assessment { \
                     line netPc referencePc netBelowLine referenceBelowLine category } } }";
        let data = self
            .tell
            .query(&self.cadre, query, json!({ "id": self.household }))
            .await?;
        self.tell
            .say(&format!("✓ {}", data["household"]["assessment"]));
        self.tell
            .say("income alone is above the line; what the illness took brings it below");
        let findings: Vec<Value> = [
            "FOOD",
            "CLOTHING",
            "COMPULSORY_EDUCATION",
            "BASIC_MEDICAL_CARE",
            "SAFE_HOUSING",
            "SAFE_WATER",
        ]
        .iter()
        .map(|g| json!({ "guarantee": g, "status": "SAFE", "checkedOn": self.day() }))
        .collect();
        let input = json!({ "householdId": self.household, "findings": findings });
        let selection = "assessment { guaranteesComplete guaranteesSafe }";
        self.tell
            .accepted(&self.cadre, "recordGuarantees", input, selection)
            .await?;
        Ok(())
    }

    /// The medical insurance's batch raises an alert; workflow makes it a lead.
    async fn alert(&mut self, family: &demo::Story) -> anyhow::Result<String> {
        self.tell
            .chapter("A department's alert becomes a lead (S24, S25)");
        let input = json!({
            "department": family.alert.department, "rowKind": family.alert.row_kind,
            "dataDate": self.day(), "fileName": family.alert.name, "content": family.alert.content,
        });
        let selection = "report { rowsRead alertsRaised rowsRefused }";
        let payload = self
            .tell
            .accepted(&self.officer, "submitAlertBatch", input, selection)
            .await?;
        self.tell.say(&format!("✓ {}", payload["report"]));
        let query = "query($h: ID!) { leads(householdId: $h, state: RECEIVED, first: 1) { nodes { id state } } }";
        let lead = self.wait(query, json!({ "h": self.household }), |data| {
            data["leads"]["nodes"][0]["id"].as_str().map(str::to_owned)
        });
        let lead = lead.await?;
        let order = json!({ "leadId": lead });
        self.tell
            .accepted(
                &self.office,
                "orderLeadVisit",
                order,
                "lead { state visitDueOn }",
            )
            .await?;
        let visit = json!({
            "leadId": lead, "visitedOn": self.day(), "visitors": [self.cadre.account, "grid-worker-1"],
            "riskFound": true,
        });
        self.tell
            .accepted(&self.cadre, "recordLeadVisit", visit, "lead { state }")
            .await?;
        Ok(lead)
    }

    async fn declare(&mut self, lead: &str) -> anyhow::Result<()> {
        self.tell
            .chapter("申报: the family declares itself, with proof of the risk (T1, S17)");
        let stored = self.tell.paper(&self.cadre, VILLAGE, PAPER_CONTENT).await?;
        anyhow::ensure!(
            stored == PAPER,
            "a paper is named by the hash of its content"
        );
        let input = json!({
            "householdId": self.household, "leadId": lead, "channel": "DEPARTMENT_ALERT",
            "risks": [{ "type": "ILLNESS" }], "evidenceSha256": [PAPER],
        });
        let payload = self
            .tell
            .accepted(&self.cadre, "declareCase", input, "case { id state }")
            .await?;
        self.case = payload["case"]["id"]
            .as_str()
            .context("no case")?
            .to_owned();
        self.tell
            .held(&self.cadre, &self.case, "DECLARED 申报")
            .await
    }

    async fn authorise(&mut self) -> anyhow::Result<()> {
        self.tell
            .chapter("承诺授权: every adult signs for the query of assets (T2, S18)");
        let form = json!({ "textVersion": "2026-1", "evidenceSha256": PAPER });
        self.refused(&self.cadre, "authoriseCase", form.clone(), "S18")
            .await?;
        let query = "query($id: ID!) { household(id: $id) { \
                     members { personId birthDate isHead } } }";
        let data = self
            .tell
            .query(&self.cadre, query, json!({ "id": self.household }))
            .await?;
        let members = data["household"]["members"]
            .as_array()
            .context("no members")?;
        let head = members
            .iter()
            .find(|member| member["isHead"] == true)
            .context("no head")?;
        for member in members {
            let person = &member["personId"];
            let born: NaiveDate = member["birthDate"].as_str().unwrap_or_default().parse()?;
            let adult = self.today.years_since(born).is_some_and(|age| age >= 18);
            // The guardian signs for a child.
            let signer = if adult { person } else { &head["personId"] };
            let input = json!({
                "householdId": self.household, "personId": person, "signedByPersonId": signer,
                "items": kernel_items(), "purpose": "monitoring", "textVersion": "2026-1",
                "signedOn": self.day(), "expiresOn": (self.today + chrono::Duration::days(730)).to_string(),
                "evidenceSha256": PAPER, "byFingerprint": false,
            });
            self.tell
                .accepted(
                    &self.cadre,
                    "grantAuthorisation",
                    input,
                    "authorisation { id }",
                )
                .await?;
        }
        self.act(&self.cadre, "authoriseCase", form)
            .await
            .map(|_| ())
    }

    fn visit(&self) -> Value {
        json!({
            "visitors": [self.cadre.account, "grid-worker-1"], "visitedOn": self.day(),
            "standardMet": true, "trueStatement": true, "complete": true, "evidenceSha256": [PAPER],
        })
    }

    async fn verify_and_list(&mut self) -> anyhow::Result<()> {
        self.tell
            .chapter("入户核实: two visitors, three ticks (T3, S22)");
        self.act(&self.cadre, "verifyCase", self.visit()).await?;
        self.tell
            .chapter("预警名单: the month's list is frozen (T4, S26)");
        let month = Month::of(self.today).to_string();
        let input = json!({ "divisionCode": VILLAGE, "month": month });
        let selection = "list { version frozenOn }";
        self.tell
            .accepted(&self.cadre, "freezeWarningList", input, selection)
            .await?;
        self.tell
            .held(&self.cadre, &self.case, "WARNING_LISTED 预警名单")
            .await
    }

    fn meeting(&self, representatives: usize) -> Value {
        let others = [
            &["TOWNSHIP_LIAISON"][..],
            &["VILLAGE_CADRE", "COMMITTEE_MEMBER"],
            &["RESIDENT_TEAM"],
        ];
        let sheet = std::iter::repeat_n(&["VILLAGER_REPRESENTATIVE"][..], representatives);
        let sheet = sheet.chain(others).enumerate();
        let attendees = sheet.map(
            |(at, capacities)| json!({ "name": format!("代表{at}"), "capacities": capacities }),
        );
        json!({
            "divisionCode": VILLAGE, "heldOn": self.day(),
            "attendees": attendees.collect::<Vec<_>>(), "conflictsDeclared": true,
            "ballots": [{
                "caseId": self.case, "votesFor": representatives, "votesAgainst": 0,
                "votesAbstained": 0, "category": "SUDDEN_HARDSHIP",
            }],
            "evidenceSha256": [PAPER],
        })
    }

    async fn appraise(&mut self) -> anyhow::Result<()> {
        self.tell
            .chapter("民主评议: fourteen are too few, fifteen appraise (T5, S27)");
        let fourteen = self.meeting(14);
        self.tell
            .refused(&self.secretary, "holdMeeting", fourteen, "S27")
            .await?;
        self.hold(15).await
    }

    /// A meeting with enough representatives, who are all for it.
    async fn hold(&self, representatives: usize) -> anyhow::Result<()> {
        let meeting = self.meeting(representatives);
        let payload = self
            .tell
            .accepted(&self.secretary, "holdMeeting", meeting, "cases { state }")
            .await?;
        let state = payload["cases"][0]["state"].as_str();
        let state = state.context("the case has no state")?;
        self.tell.held(&self.secretary, &self.case, state).await
    }

    async fn required_places(&self) -> anyhow::Result<Vec<String>> {
        let query =
            "query($d: DivisionCode!) { noticePlaces(divisionCode: $d) { id name required } }";
        let data = self
            .tell
            .query(&self.cadre, query, json!({ "d": VILLAGE }))
            .await?;
        let places = data["noticePlaces"]
            .as_array()
            .context("no notice places")?;
        let required = places.iter().filter(|place| place["required"] == true);
        Ok(required
            .filter_map(|place| place["id"].as_str().map(str::to_owned))
            .collect())
    }

    async fn post(&self, place: &str) -> anyhow::Result<String> {
        let input = json!({ "placeId": place, "postedAt": self.noon(), "evidenceSha256": PAPER });
        self.act(&self.cadre, "postNotice", input).await
    }

    fn closing(&self, places: &[String]) -> Value {
        let removals = places.iter().map(
            |place| json!({ "placeId": place, "removedAt": self.noon(), "evidenceSha256": PAPER }),
        );
        json!({ "removals": removals.collect::<Vec<_>>() })
    }

    async fn notice_taken_down(&mut self) -> anyhow::Result<()> {
        self.tell
            .chapter("公示: at every required place, seven full days (T6, T7, S30, S31)");
        let places = self.required_places().await?;
        for place in &places {
            self.post(place).await?;
        }
        self.days_pass(6).await?;
        self.tell.say("on the sixth day somebody wants to close it");
        self.refused(&self.cadre, "closeNotice", self.closing(&places), "S31")
            .await?;
        self.tell.say("and a notice comes down");
        let place = places.last().context("no required place")?;
        let removal = json!({ "placeId": place, "removedAt": self.noon() });
        self.act(&self.cadre, "removeNotice", removal).await?;
        self.tell
            .say("it has to hang again, and the days begin anew");
        self.post(place).await?;
        self.refused(&self.cadre, "closeNotice", self.closing(&places), "S31")
            .await?;
        self.days_pass(7).await?;
        self.act(&self.cadre, "closeNotice", self.closing(&places))
            .await
            .map(|_| ())
    }

    async fn review(&mut self) -> anyhow::Result<()> {
        self.tell.chapter(
            "乡镇审核: the village reports, the township reviews the papers (T8, S32, S33)",
        );
        self.act(
            &self.cadre,
            "submitVillageReport",
            json!({ "evidenceSha256": PAPER }),
        )
        .await?;
        let input = json!({
            "papersRegular": true, "papersComplete": true, "opinion": "程序规范,资料齐全",
            "evidenceSha256": PAPER,
        });
        self.act(&self.office, "reviewCase", input)
            .await
            .map(|_| ())
    }

    async fn compare(&mut self, family: &demo::Story) -> anyhow::Result<()> {
        self.tell
            .chapter("比对: nine departments answer for the persons who signed (T9, S34)");
        for (item, file) in &family.items {
            let input = json!({
                "item": item.to_string(), "department": file.department, "dataDate": self.day(),
                "fileName": file.name, "content": file.content,
            });
            self.tell
                .accepted(
                    &self.officer,
                    "submitItemFile",
                    input,
                    "report { rowsRead }",
                )
                .await?;
        }
        let query = "query($id: ID!) { case(id: $id) { comparison { complete hits { ruleId } } } }";
        let complete = self.wait(query, json!({ "id": self.case }), |data| {
            (data["case"]["comparison"]["complete"] == true).then_some(())
        });
        complete.await?;
        self.act(&self.officer, "confirmComparison", json!({}))
            .await
            .map(|_| ())
    }

    async fn enrol(&mut self) -> anyhow::Result<()> {
        self.tell
            .chapter("纳入监测: responsible person, measures, planned day (T11, S36)");
        self.refused(&self.cadre, "enrolCase", json!({}), "S36")
            .await?;
        let assignment = json!({
            "caseId": self.case, "account": self.responsible.account, "unit": "县农业农村局",
            "from": self.day(),
        });
        self.tell
            .accepted(
                &self.officer,
                "assignResponsible",
                assignment,
                "plan { version }",
            )
            .await?;
        let planned = (self.today + chrono::Duration::days(200)).to_string();
        let mut measures = Vec::new();
        for (kind, description) in [("HEALTH", "大病救助"), ("EMPLOYMENT", "乡村公益性岗位")]
        {
            let input = json!({
                "caseId": self.case, "kind": kind, "risk": "ILLNESS", "description": description,
                "dueOn": planned, "plannedEliminationOn": planned,
            });
            let selection = "plan { measures { id } }";
            let payload = self
                .tell
                .accepted(&self.cadre, "planMeasure", input, selection)
                .await?;
            let planned = payload["plan"]["measures"]
                .as_array()
                .context("no measures")?;
            measures.push(planned.last().context("no measure")?["id"].clone());
        }
        self.act(&self.cadre, "enrolCase", json!({})).await?;
        self.tell.chapter("帮扶: help arrives (T12, S46, S51)");
        for measure in measures {
            let input = json!({
                "caseId": self.case, "measureId": measure, "deliveredOn": self.day(),
                "amount": "3000.00", "confirmed": true, "evidenceSha256": PAPER,
            });
            self.tell
                .accepted(
                    &self.responsible,
                    "recordDelivery",
                    input,
                    "plan { version }",
                )
                .await?;
        }
        self.act(&self.responsible, "startAssistance", json!({}))
            .await
            .map(|_| ())
    }

    /// The treatment has ended, and everybody who can works.
    async fn recover(&self) -> anyhow::Result<()> {
        self.record_income().await?;
        let closed = json!({
            "caseId": self.case, "risk": "ILLNESS", "closedOn": self.day(), "reason": "治疗结束,已康复",
        });
        self.tell
            .accepted(&self.responsible, "closeRisk", closed, "plan { version }")
            .await?;
        Ok(())
    }

    /// Income of the two years up to the last full month.
    async fn record_income(&self) -> anyhow::Result<()> {
        let newest = Month::of(self.today).minus(1);
        let months: Vec<Month> = (0..24).map(|back| newest.minus(back)).collect();
        let entries: Vec<Value> = months
            .iter()
            .map(|month| {
                json!({
                    "month": month.to_string(), "group": "WAGE", "kind": "务工", "amount": "8000.00",
                    "source": "VISITED",
                })
            })
            .collect();
        let input = json!({
            "householdId": self.household, "fromMonth": newest.minus(23).to_string(),
            "toMonth": newest.to_string(), "entries": entries, "complete": true,
        });
        let selection = "assessment { netPc referencePc aboveLineSince }";
        self.tell
            .accepted(&self.cadre, "recordIncome", input, selection)
            .await?;
        Ok(())
    }

    async fn half_a_year(&mut self) -> anyhow::Result<()> {
        self.tell.chapter("Two quarters have to pass (T14, S44)");
        self.days_pass(TOO_EARLY_DAYS).await?;
        self.recover().await?;
        let proposal = json!({ "kind": "BY_ASSISTANCE" });
        self.refused(
            &self.responsible,
            "proposeElimination",
            proposal.clone(),
            "S44",
        )
        .await?;
        self.days_pass(LATE_ENOUGH_DAYS).await?;
        self.record_income().await?;
        self.act(&self.responsible, "proposeElimination", proposal)
            .await
            .map(|_| ())
    }

    async fn eliminate(&mut self) -> anyhow::Result<()> {
        self.tell
            .chapter("入户核查, 民主评议, 公示公开 once more (T15, S40)");
        self.act(&self.cadre, "verifyCase", self.visit()).await?;
        self.hold(16).await?;
        let places = self.required_places().await?;
        for place in &places {
            self.post(place).await?;
        }
        self.days_pass(7).await?;
        self.act(&self.cadre, "closeNotice", self.closing(&places))
            .await?;
        self.tell.chapter("乡镇行文备案, 风险消除 (T16, T17, S41)");
        let document = json!({ "documentNumber": "示范政发〔2026〕7号", "evidenceSha256": PAPER });
        self.act(&self.leader, "fileElimination", document).await?;
        // A month may have ended meanwhile.
        self.record_income().await?;
        let filing = json!({
            "filingNumber": "2026-0001", "contactName": "示范联系人", "contactPhone": "10012345678",
        });
        let state = self.act(&self.officer, "eliminateRisk", filing).await?;
        anyhow::ensure!(state == "RISK_ELIMINATED", "the case ended in {state}");
        println!(
            "\n风险消除. The household is led out; `backstop verify` checks every step of it."
        );
        Ok(())
    }

    /// Asks until `found` finds something.
    async fn wait<T>(
        &self,
        query: &str,
        variables: Value,
        found: impl Fn(&Value) -> Option<T>,
    ) -> anyhow::Result<T> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(found) = found(
                &self
                    .tell
                    .query(&self.officer, query, variables.clone())
                    .await?,
            ) {
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::bail!("waited in vain for what a feed should have brought: {query}")
    }
}

fn kernel_items() -> Vec<&'static str> {
    use kernel::{Code, ItemKind};
    ItemKind::ALL.iter().map(|item| item.as_str()).collect()
}
