//! `doctor`: looks at everything that a process needs and says of each what was found and what to do. As
//! JSON it is what a county sends along with a question: no secret and nothing of a person is in it.

mod database;
mod neighbours;
mod verdict;

use std::{fmt::Write as _, io::Write as _, time::Duration};

use anyhow::bail;
use futures::future::{BoxFuture, join_all};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    clock::Clock,
    config::{Settings, Shown},
    pg::SchemaVersion,
    process::Service,
};

pub use database::{database, sealing};
pub use neighbours::neighbours;

/// Whoever takes longer to answer is not well.
const WITHIN: Duration = Duration::from_secs(2);

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Ok,
    /// It works, and somebody should look at it.
    Warning,
    /// It does not work.
    Wrong,
    /// It was not looked at: what is needed for that is wrong, or it is not there yet.
    Skipped,
}

/// What was found of one thing, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    state: State,
    found: String,
    advice: String,
}

impl Finding {
    fn new(state: State, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            state,
            found: found.into(),
            advice: advice.into(),
        }
    }

    /// All is well.
    pub fn ok(found: impl Into<String>) -> Self {
        Self::new(State::Ok, found, "")
    }

    /// It works, and somebody should look at it.
    pub fn warning(found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(State::Warning, found, advice)
    }

    /// It does not work.
    pub fn wrong(found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(State::Wrong, found, advice)
    }

    /// It was not looked at.
    pub fn skipped(why: impl Into<String>) -> Self {
        Self::new(State::Skipped, why, "")
    }

    /// The same as a check of this name.
    pub fn of(self, name: impl Into<String>) -> Check {
        Check {
            name: name.into(),
            state: self.state,
            found: self.found,
            advice: self.advice,
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What it was.
    pub name: String,
    /// How it is.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do; empty when there is nothing to do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub advice: String,
}

impl Check {
    /// Whether what hangs on it can be looked at.
    fn can_go_on(&self) -> bool {
        matches!(self.state, State::Ok | State::Warning)
    }
}

/// Something to look at that only one service has.
pub struct Question {
    name: &'static str,
    answer: BoxFuture<'static, Finding>,
}

impl std::fmt::Debug for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Question").field(&self.name).finish()
    }
}

impl Question {
    /// A question under a name; its answer is waited for only for a while.
    pub fn new(name: &'static str, answer: impl Future<Output = Finding> + Send + 'static) -> Self {
        let answer = Box::pin(answer);
        Self { name, answer }
    }

    /// Waits for the answer, and no longer than it may take.
    pub async fn ask(self) -> Check {
        look(self.name, self.answer).await
    }
}

/// What a process and its surroundings are like.
#[derive(Debug, Serialize)]
pub struct Report {
    program: &'static str,
    version: &'static str,
    taken_at: String,
    checks: Vec<Check>,
    settings: Vec<Shown>,
}

impl Report {
    /// One with nothing in it yet.
    #[must_use]
    pub fn new(program: &'static str) -> Self {
        let now = Clock::system().now();
        Self {
            program,
            version: env!("CARGO_PKG_VERSION"),
            taken_at: now.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
            checks: Vec::new(),
            settings: Vec::new(),
        }
    }

    /// Adds what was looked at.
    pub fn add(&mut self, checks: impl IntoIterator<Item = Check>) {
        self.checks.extend(checks);
    }

    /// Says which settings the process has.
    pub fn set(&mut self, settings: Vec<Shown>) {
        self.settings = settings;
    }

    /// Writes it to standard output, for people or as JSON.
    ///
    /// # Errors
    /// Something is wrong, or the output is closed.
    pub fn tell(&self, json: bool) -> anyhow::Result<()> {
        let mut text = match json {
            true => serde_json::to_string_pretty(self)?,
            false => self.lines(),
        };
        text.push('\n');
        std::io::stdout().write_all(text.as_bytes())?;
        self.judge()
    }

    fn judge(&self) -> anyhow::Result<()> {
        match self.count(State::Wrong) {
            0 => Ok(()),
            1 => bail!("one check found something wrong"),
            many => bail!("{many} checks found something wrong"),
        }
    }

    fn count(&self, state: State) -> usize {
        let checks = self.checks.iter();
        checks.filter(|check| check.state == state).count()
    }

    fn lines(&self) -> String {
        let width = self.checks.iter().map(|check| check.name.len()).max();
        let width = width.unwrap_or(0);
        let mut text = format!("{} {}, {}\n\n", self.program, self.version, self.taken_at);
        for check in &self.checks {
            let state = match check.state {
                State::Ok => "ok",
                State::Warning => "warning",
                State::Wrong => "wrong",
                State::Skipped => "skipped",
            };
            let _ = writeln!(text, "{state:8} {:width$}  {}", check.name, check.found);
            if !check.advice.is_empty() {
                let _ = writeln!(text, "{:8} {:width$}  → {}", "", "", check.advice);
            }
        }
        let states = [
            (State::Ok, "ok"),
            (State::Warning, "to look at"),
            (State::Wrong, "wrong"),
            (State::Skipped, "not looked at"),
        ];
        let counts = states.map(|(state, word)| format!("{} {word}", self.count(state)));
        let _ = write!(text, "\n{}", counts.join(", "));
        text
    }
}

/// Looks at one thing, and no longer than it may take.
pub async fn look(name: impl Into<String>, answer: impl Future<Output = Finding>) -> Check {
    let finding = tokio::time::timeout(WITHIN, answer).await;
    finding.unwrap_or_else(|_| late()).of(name)
}

fn late() -> Finding {
    let found = format!("no answer within {} s", WITHIN.as_secs());
    Finding::wrong(
        found,
        "see what holds it up: the network, a name server, a disk, or itself",
    )
}

/// Looks at what only one service has.
async fn ask(questions: Vec<Question>) -> Vec<Check> {
    join_all(questions.into_iter().map(Question::ask)).await
}

/// `PROGRAM doctor`: reads the settings, lets `examine` look at what they lead to, and tells.
///
/// # Errors
/// Something is wrong.
pub(crate) async fn run<C: DeserializeOwned + JsonSchema>(
    program: &'static str,
    json: bool,
    examine: impl AsyncFnOnce(&C) -> Vec<Check>,
) -> anyhow::Result<()> {
    let mut report = Report::new(program);
    let wrong = |error: anyhow::Error| {
        let advice = "correct it; everything else is looked at when the settings are right";
        Finding::wrong(format!("{error:#}"), advice).of("settings")
    };
    match Settings::read::<C>() {
        Err(error) => report.add([wrong(error)]),
        Ok(settings) => {
            report.set(settings.shown());
            match settings.all::<C>() {
                Err(error) => report.add([wrong(error)]),
                Ok(config) => {
                    let found = format!("{} given", settings.count());
                    report.add([Finding::ok(found).of("settings")]);
                    report.add(examine(&config).await);
                }
            }
        }
    }
    report.tell(json)
}

/// Looks at what a service needs.
pub(crate) async fn service<S: Service>(config: &S::Config) -> Vec<Check> {
    let process = S::process(config);
    let own = SchemaVersion::of(S::migrator());
    let (section, tls) = ("process.", process.tls.as_ref());
    let (mut checks, around, special) = tokio::join!(
        database(&process.database, "process.database.url", S::NAME, own),
        neighbours(
            section,
            &process.auth,
            &process.peers,
            tls,
            Some(process.county)
        ),
        ask(S::examine(config)),
    );
    let feeds = around.feeds(&process.database, S::NAME, S::FOLLOWS).await;
    checks.extend(around.checks);
    checks.extend(feeds);
    checks.extend(special);
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::new("measures");
        report.add([
            Finding::ok("17.5").of("database"),
            Finding::warning("3.0 s ahead", "give it its time server back").of("clock"),
        ]);
        report
    }

    #[test]
    fn a_warning_is_no_fault_and_something_wrong_is() {
        let mut report = report();
        report.judge().expect("nothing is wrong");
        report.add([Finding::wrong("ended", "renew it").of("service token")]);
        let said = report.judge().expect_err("something is wrong");
        assert_eq!(said.to_string(), "one check found something wrong");
        report.add([Finding::skipped("no token").of("feed workflow")]);
        let lines = report.lines();
        assert!(lines.contains("ok       database       17.5\n"), "{lines}");
        assert!(
            lines.contains("warning  clock          3.0 s ahead\n                        → give"),
            "{lines}"
        );
        assert!(
            lines.ends_with("1 ok, 1 to look at, 1 wrong, 1 not looked at"),
            "{lines}"
        );
    }

    #[test]
    fn machines_read_what_people_read() {
        let json = serde_json::to_value(report()).expect("JSON");
        assert_eq!(json["program"], "measures");
        assert_eq!(json["checks"][1]["state"], "warning");
        assert!(json["checks"][0]["advice"].is_null());
        let checks: Vec<Check> = serde_json::from_value(json["checks"].clone()).expect("read");
        assert_eq!(checks, report().checks);
    }

    #[tokio::test]
    async fn whatever_hangs_holds_up_nobody() {
        let hangs = Question::new("evidence", std::future::pending());
        let answers = Question::new("redis", async { Finding::ok("answers") });
        let checks = ask(vec![hangs, answers]).await;
        let states: Vec<State> = checks.iter().map(|check| check.state).collect();
        assert_eq!(states, [State::Wrong, State::Ok]);
        assert!(checks[0].found.contains("2 s"), "{checks:?}");
    }
}
