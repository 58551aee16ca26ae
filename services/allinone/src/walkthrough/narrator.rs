//! Asks the gateway and tells what was asked, what came back, and which rules were looked at.

use anyhow::{Context, bail};
use chassis::clock::Clock;
use chrono::{Duration, NaiveDate};
use kernel::{DivisionCode, Role};
use serde_json::{Value, json};

use crate::{
    clock, control,
    folder::Run,
    issuer::{Account, Issuer},
};

/// Tells the story.
pub(super) struct Narrator {
    run: Run,
    issuer: Issuer,
    http: reqwest::Client,
    language: String,
    step: u32,
}

/// Somebody who acts.
#[derive(Debug, Clone)]
pub(super) struct Actor {
    pub(super) account: String,
    token: String,
}

impl Narrator {
    pub(super) fn new(run: Run, issuer: Issuer, language: String) -> Self {
        Self {
            run,
            issuer,
            http: reqwest::Client::new(),
            language,
            step: 0,
        }
    }

    pub(super) fn actor(&self, role: Role, division: &str) -> anyhow::Result<Actor> {
        let division: DivisionCode = division.parse()?;
        self.named(&Account::new(role, division))
    }

    pub(super) fn named(&self, account: &Account) -> anyhow::Result<Actor> {
        Ok(Actor {
            account: account.name.clone(),
            token: self.issuer.mint(account)?,
        })
    }

    pub(super) fn chapter(&mut self, title: &str) {
        self.step += 1;
        println!("\n── {}. {title}", self.step);
    }

    pub(super) fn say(&self, text: &str) {
        println!("   {text}");
    }

    /// Day in the county.
    pub(super) async fn today(&self) -> anyhow::Result<NaiveDate> {
        let now = control::send(&self.run, "/clock", None::<&()>).await?;
        Ok(kernel::local_date(now.json::<control::Now>().await?.now))
    }

    /// Lets days go by.
    pub(super) async fn days_pass(&self, days: i64) -> anyhow::Result<NaiveDate> {
        let now = clock::advance(&self.run, Duration::days(days)).await?;
        let today = kernel::local_date(now.now);
        println!("   ⏲  {days} days go by; it is {today}");
        Ok(today)
    }

    /// Stores a paper in a village; returns its hash.
    pub(super) async fn paper(
        &self,
        who: &Actor,
        division: &str,
        content: &'static [u8],
    ) -> anyhow::Result<String> {
        let url = format!("http://{}/files/evidence", self.run.http);
        let url = reqwest::Url::parse_with_params(&url, [("divisionCode", division)])?;
        let answer = self
            .http
            .put(url)
            .bearer_auth(&who.token)
            .body(content)
            .send();
        let stored: Value = answer
            .await
            .context("the running backstop does not answer")?
            .error_for_status()?
            .json()
            .await?;
        println!("   PUT /files/evidence  {stored}");
        let hash = stored["sha256"].as_str().context("no hash of the paper")?;
        Ok(hash.to_owned())
    }

    /// A query that must go well.
    pub(super) async fn query(
        &self,
        who: &Actor,
        document: &str,
        variables: Value,
    ) -> anyhow::Result<Value> {
        let answer: Value = self
            .http
            .post(format!("http://{}/graphql", self.run.http))
            .bearer_auth(&who.token)
            .header("accept-language", &self.language)
            .json(&json!({ "query": document, "variables": variables }))
            .send()
            .await
            .context("the running backstop does not answer")?
            .json()
            .await?;
        if !answer["errors"].is_null() {
            bail!("{document}\n{:#}", answer["errors"]);
        }
        Ok(answer["data"].clone())
    }

    /// A mutation whatever comes of it; tells who asked for what.
    async fn mutate(
        &self,
        who: &Actor,
        name: &str,
        input: &Value,
        selection: &str,
    ) -> anyhow::Result<Value> {
        println!("   → {}: {name} {}", who.account, brief(input));
        let mut input = input.clone();
        input["requestId"] = json!(Clock::system().new_id().to_string());
        let input_type = format!("{}{}Input", name[..1].to_uppercase(), &name[1..]);
        let document = format!(
            "mutation($input: {input_type}!) {{ {name}(input: $input) {{ {selection} \
             refusal {{ unmet {{ rule code needed found possibleFrom message }} }} \
             violations {{ field code expected message }} }} }}"
        );
        let data = self
            .query(who, &document, json!({ "input": input }))
            .await?;
        Ok(data[name].clone())
    }

    /// A mutation that has to be accepted; returns its payload.
    pub(super) async fn accepted(
        &self,
        who: &Actor,
        name: &str,
        input: Value,
        selection: &str,
    ) -> anyhow::Result<Value> {
        let payload = self.mutate(who, name, &input, selection).await?;
        if !payload["refusal"].is_null()
            || payload["violations"]
                .as_array()
                .is_some_and(|v| !v.is_empty())
        {
            bail!("{name} was not accepted: {payload:#}");
        }
        Ok(payload)
    }

    /// A forbidden move: has to be refused, and shows why.
    pub(super) async fn refused(
        &self,
        who: &Actor,
        name: &str,
        input: Value,
        rule: &str,
    ) -> anyhow::Result<()> {
        let payload = self.mutate(who, name, &input, "").await?;
        let unmet = payload["refusal"]["unmet"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        for requirement in &unmet {
            let text = |field: &str| requirement[field].as_str().unwrap_or_default().to_owned();
            let from = text("possibleFrom");
            let from = if from.is_empty() {
                from
            } else {
                format!(" (possible from {from})")
            };
            println!("   ✗ {}  {}{from}", text("rule"), text("message"));
        }
        anyhow::ensure!(
            unmet.iter().any(|requirement| requirement["rule"] == rule),
            "{name} should have been refused by {rule}: {payload:#}"
        );
        Ok(())
    }

    /// A step of the case: has to be accepted; shows the new state and the rules that held.
    pub(super) async fn step(
        &self,
        who: &Actor,
        name: &str,
        case: &str,
        mut input: Value,
    ) -> anyhow::Result<String> {
        input["caseId"] = json!(case);
        let payload = self.accepted(who, name, input, "case { id state }").await?;
        let state = payload["case"]["state"]
            .as_str()
            .context("the case has no state")?
            .to_owned();
        self.held(who, case, &state).await?;
        Ok(state)
    }

    /// Shows the state that a case has reached and the rules of its last event.
    pub(super) async fn held(&self, who: &Actor, case: &str, state: &str) -> anyhow::Result<()> {
        let query = "query($id: ID!) { case(id: $id) { events { name rules } } }";
        let data = self.query(who, query, json!({ "id": case })).await?;
        let events = data["case"]["events"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let rules = events
            .last()
            .and_then(|event| event["rules"].as_array())
            .cloned();
        let rules: Vec<String> = rules
            .unwrap_or_default()
            .iter()
            .filter_map(|rule| rule.as_str().map(str::to_owned))
            .collect();
        println!(
            "   ✓ {state}{}",
            if rules.is_empty() {
                String::new()
            } else {
                format!("   held: {}", rules.join(" "))
            }
        );
        Ok(())
    }
}

/// An input in a line: the case is always the same one, a paper's hash tells nobody anything, a file is
/// only counted, and a long text is cut.
fn brief(input: &Value) -> String {
    const LONGEST: usize = 160;
    let mut input = input.clone();
    if let Some(fields) = input.as_object_mut() {
        fields.retain(|name, _| !["caseId", "evidenceSha256"].contains(&name.as_str()));
    }
    let content = input.get("content").and_then(Value::as_str);
    if let Some(rows) = content.map(|content| content.lines().count()) {
        input["content"] = json!(format!("{rows} rows"));
    }
    let text: String = input.to_string().chars().filter(|c| *c != '"').collect();
    match text.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{} …", &text[..cut]),
        None => text,
    }
}
