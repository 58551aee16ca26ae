//! Where settings come from, and what is wrong with them, said by key.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    path::Path,
};

use anyhow::{Context, bail, ensure};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::key::{Key, Kind, keys};

/// Ends the name of a key whose value stands in a file.
const IN_FILE: &str = "_file";
/// Secrets are short; whatever is longer was named by mistake.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Stands for a secret.
const HIDDEN: &str = "(hidden)";

/// A key as it may be shown to anybody who runs the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Its name.
    pub key: String,
    /// What holds, `(hidden)` for a secret; nothing when it is not given and has no default.
    pub value: Option<Value>,
    /// Where that comes from.
    pub from: Option<String>,
}

/// Settings as they were given, every one known and of the right kind.
#[derive(Debug)]
pub struct Settings {
    keys: Vec<Key>,
    given: BTreeMap<Vec<String>, Given>,
}

struct Given {
    value: Value,
    from: From,
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the value: it may be a secret.
        f.debug_tuple("Given").field(&self.from).finish()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum From {
    File(String),
    Variable(String),
}

impl fmt::Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(name) => write!(f, "file {name}"),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

impl Settings {
    /// Reads the settings of `T` from the file that `BACKSTOP_CONFIG` names and from the environment.
    ///
    /// # Errors
    /// Names the key that is unknown, of the wrong kind, or whose file cannot be read.
    pub fn read<T: JsonSchema>() -> anyhow::Result<Self> {
        let mut variables = Vec::new();
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else {
                continue;
            };
            if name.starts_with("BACKSTOP_") {
                let value = value.into_string();
                let value = value.map_err(|_| anyhow::anyhow!("{name} is not UTF-8"))?;
                variables.push((name, value));
            }
        }
        Self::read_from::<T>(variables)
    }

    /// The same with this environment.
    ///
    /// # Errors
    /// As [`Settings::read`].
    pub fn read_from<T: JsonSchema>(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> anyhow::Result<Self> {
        let mut settings = Self {
            keys: keys::<T>(),
            given: BTreeMap::new(),
        };
        let mut file = None;
        let mut from_environment = Vec::new();
        for (name, value) in variables {
            // What lies over another environment can empty a variable there, and cannot take it away.
            if value.is_empty() {
                continue;
            }
            if name == "BACKSTOP_CONFIG" {
                file = Some(value);
            } else if let Some(path) = name.strip_prefix("BACKSTOP__") {
                let path = path.to_lowercase();
                let path: Vec<String> = path.split("__").map(str::to_owned).collect();
                from_environment.push((path, Value::String(value), From::Variable(name)));
            } else if let Some(rest) = name.strip_prefix("BACKSTOP_")
                && rest.contains("__")
            {
                bail!(
                    "{name} is no setting; settings begin with two underscores: BACKSTOP__{rest}"
                );
            }
        }
        if let Some(name) = file {
            settings.take(settings_of(&name)?)?;
        }
        settings.take(from_environment)?;
        Ok(settings)
    }

    /// Takes in what one source says, over what others have said.
    fn take(&mut self, source: Vec<(Vec<String>, Value, From)>) -> anyhow::Result<()> {
        let mut taken = BTreeMap::new();
        for (path, value, from) in source {
            let (path, value) = self.known(path, value, &from)?;
            let name = path.join(".");
            let given = Given { value, from };
            ensure!(
                taken.insert(path, given).is_none(),
                "{name} is given twice, as itself and as {name}{IN_FILE}"
            );
        }
        self.given.extend(taken);
        Ok(())
    }

    /// The key that is meant, and its value.
    fn known(
        &self,
        mut path: Vec<String>,
        value: Value,
        from: &From,
    ) -> anyhow::Result<(Vec<String>, Value)> {
        let name = path.join(".");
        // Asked first: `keys.k1_file` names the file of a key `k1`, not a key `k1_file`.
        let stem = path.last().and_then(|last| last.strip_suffix(IN_FILE));
        if let Some(stem) = stem.map(str::to_owned)
            && let Some(last) = path.last_mut()
        {
            let whole = std::mem::replace(last, stem);
            if self.key(&path).is_some_and(|key| key.secret) {
                let file = value.as_str();
                let file = file.with_context(|| format!("{name} names no file ({from})"))?;
                let secret =
                    secret_in(Path::new(file)).with_context(|| format!("{name} ({from})"))?;
                return Ok((path, Value::String(secret)));
            }
            if let Some(last) = path.last_mut() {
                *last = whole;
            }
        }
        let Some(key) = self.key(&path) else {
            let known: Vec<String> = self.keys.iter().map(Key::name).collect();
            bail!(
                "{name} is no key ({from}); the keys are {}",
                known.join(", ")
            );
        };
        let value = of_kind(key.kind, value).with_context(|| format!("{name} ({from})"))?;
        Ok((path, value))
    }

    fn key(&self, path: &[String]) -> Option<&Key> {
        self.keys.iter().find(|key| key.matches(path))
    }

    /// The whole configuration.
    ///
    /// # Errors
    /// Names every key that is missing, or the one whose value is not right.
    pub fn all<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        self.section(&[])
    }

    /// The part of it below `section`; what is outside need not be there.
    ///
    /// # Errors
    /// As [`Settings::all`].
    pub fn section<T: DeserializeOwned>(&self, section: &[&str]) -> anyhow::Result<T> {
        let inside = |path: &[String]| section.iter().zip(path).all(|(own, given)| own == given);
        let missing: Vec<String> = self
            .keys
            .iter()
            .filter(|key| key.required && inside(&key.path))
            .filter(|key| !self.given.keys().any(|path| key.matches(path)))
            .map(|key| match key.secret {
                true => format!("{} ({} or …_FILE)", key.name(), key.variable()),
                false => format!("{} ({})", key.name(), key.variable()),
            })
            .collect();
        ensure!(missing.is_empty(), "missing: {}", missing.join(", "));
        let mut tree = Value::Object(Map::new());
        for (path, given) in self.given.iter().filter(|(path, _)| inside(path)) {
            let place = path
                .iter()
                .fold(&mut tree, |tree, part| &mut tree[part.as_str()]);
            *place = given.value.clone();
        }
        for part in section {
            tree = tree[*part].take();
        }
        serde_path_to_error::deserialize(tree).map_err(|error| {
            let inner = error.path().to_string();
            let path = section.iter().copied().chain([inner.as_str()]);
            let path: Vec<&str> = path.filter(|part| *part != ".").collect();
            match path.is_empty() {
                // It is about several keys, and names them.
                true => anyhow::anyhow!("{}", error.inner()),
                false => anyhow::anyhow!("{}: {}", path.join("."), error.inner()),
            }
        })
    }

    /// How many keys are given.
    #[must_use]
    pub fn count(&self) -> usize {
        self.given.len()
    }

    /// The effective configuration, each key with where it comes from. Secrets are hidden.
    #[must_use]
    pub fn shown(&self) -> Vec<Shown> {
        let mut all = Vec::new();
        for key in &self.keys {
            let given = self.given.iter();
            let mut given = given.filter(|(path, _)| key.matches(path)).peekable();
            if given.peek().is_none() {
                all.push(Shown {
                    key: key.name(),
                    value: key.default.clone(),
                    from: key.default.as_ref().map(|_| "default".to_owned()),
                });
            }
            all.extend(given.map(|(path, Given { value, from })| Shown {
                key: path.join("."),
                value: Some(match key.secret {
                    true => HIDDEN.into(),
                    false => value.clone(),
                }),
                from: Some(from.to_string()),
            }));
        }
        all
    }

    /// The same as TOML.
    #[must_use]
    pub fn print(&self) -> String {
        let mut text = String::new();
        for Shown { key, value, from } in self.shown() {
            let _ = match (value, from) {
                // Texts, numbers, flags and lists of texts are the same in JSON and TOML.
                (Some(value), Some(from)) => writeln!(text, "{key} = {value} # {from}"),
                _ => writeln!(text, "# {key} is not given"),
            };
        }
        text
    }
}

/// Every value in a TOML file, by path.
fn settings_of(name: &str) -> anyhow::Result<Vec<(Vec<String>, Value, From)>> {
    let unreadable = || format!("BACKSTOP_CONFIG: cannot read {name}");
    let text = std::fs::read_to_string(name).with_context(unreadable)?;
    // Without the library's excerpt of the file: a secret may stand in it.
    let table: toml::Table = toml::from_str(&text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.map_or(1, |before| before.lines().count().max(1));
        anyhow::anyhow!("{name}, line {line}: {}", error.message())
    })?;
    let mut found = Vec::new();
    flatten(table, &mut Vec::new(), &mut |path, value| {
        found.push((path, value, From::File(name.to_owned())));
    })?;
    Ok(found)
}

fn flatten(
    table: toml::Table,
    path: &mut Vec<String>,
    found: &mut impl FnMut(Vec<String>, Value),
) -> anyhow::Result<()> {
    for (name, value) in table {
        path.push(name);
        match value {
            toml::Value::Table(inner) => flatten(inner, path, found)?,
            value => found(path.clone(), serde_json::to_value(value)?),
        }
        path.pop();
    }
    Ok(())
}

fn secret_in(file: &Path) -> anyhow::Result<String> {
    let unreadable = || format!("cannot read {}", file.display());
    let bytes = std::fs::metadata(file).with_context(unreadable)?.len();
    ensure!(
        bytes <= SECRET_BYTES_MAX,
        "{} is too large for a secret",
        file.display()
    );
    let text = std::fs::read_to_string(file).with_context(unreadable)?;
    // Whoever writes a file by hand ends its line.
    let text = text.trim_end_matches(['\r', '\n']);
    ensure!(!text.is_empty(), "{} is empty", file.display());
    Ok(text.to_owned())
}

/// The value as what the key holds. The environment knows only texts.
fn of_kind(kind: Kind, value: Value) -> anyhow::Result<Value> {
    let converted = match (kind, value) {
        (Kind::Number, Value::String(text)) => text.trim().parse::<u64>().ok().map(Value::from),
        (Kind::Flag, Value::String(text)) => text.trim().parse::<bool>().ok().map(Value::from),
        (Kind::List, Value::String(text)) => {
            let items = text.split(',').map(str::trim);
            Some(items.filter(|item| !item.is_empty()).collect())
        }
        (Kind::List, Value::Array(items)) => {
            items.iter().all(Value::is_string).then(|| items.into())
        }
        (Kind::Text, value @ Value::String(_))
        | (Kind::Number, value @ Value::Number(_))
        | (Kind::Flag, value @ Value::Bool(_)) => Some(value),
        _ => None,
    };
    converted.context(match kind {
        Kind::Text => "expected a text",
        Kind::Number => "expected a whole number",
        Kind::Flag => "expected true or false",
        Kind::List => "expected a list of texts",
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use secrecy::{ExposeSecret, SecretString};
    use serde::Deserialize;

    use super::*;
    use crate::{config::DatabaseConfig, secret::SecretKey};

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Config {
        /// Where it listens.
        #[schemars(with = "String")]
        listen: std::net::SocketAddr,
        /// Its database.
        database: DatabaseConfig,
        /// Keys by id.
        #[serde(default)]
        keys: BTreeMap<String, SecretKey>,
        /// Who watches.
        #[serde(default)]
        witnesses: Vec<String>,
        /// Whether it shows itself.
        #[serde(default)]
        shown: bool,
        /// Where it keeps what it may lose.
        #[serde(default)]
        #[schemars(with = "Option<String>", extend("writeOnly" = true))]
        cache: Option<SecretString>,
    }

    const LISTEN: (&str, &str) = ("BACKSTOP__LISTEN", "127.0.0.1:1");
    const URL: (&str, &str) = ("BACKSTOP__DATABASE__URL", "postgres://me:swordfish@db/x");

    fn read(variables: &[(&str, &str)]) -> anyhow::Result<Settings> {
        let variables = variables.iter();
        Settings::read_from::<Config>(variables.map(|(n, v)| ((*n).to_owned(), (*v).to_owned())))
    }

    fn refused(variables: &[(&str, &str)]) -> String {
        let config = read(variables).and_then(|settings| settings.all::<Config>());
        format!("{:#}", config.expect_err("refused"))
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(&file, text).expect("written");
        file
    }

    fn path(file: &tempfile::NamedTempFile) -> &str {
        file.path().to_str().expect("UTF-8")
    }

    #[test]
    fn the_environment_stands_over_the_file() {
        let config = file(
            "listen = '127.0.0.1:1'\nwitnesses = ['a', 'b']\n[database]\nurl = 'postgres://file'\n\
             max_connections = 3",
        );
        let settings = read(&[
            ("BACKSTOP_CONFIG", path(&config)),
            ("BACKSTOP__DATABASE__MAX_CONNECTIONS", "5"),
            ("BACKSTOP__SHOWN", "true"),
        ]);
        let config: Config = settings.expect("read").all().expect("right");
        assert_eq!(config.database.max_connections, 5);
        assert_eq!(config.database.url.expose_secret(), "postgres://file");
        assert_eq!(config.witnesses, ["a", "b"]);
        assert!(config.shown && config.cache.is_none());
        assert_eq!(config.listen.port(), 1);
    }

    #[test]
    fn a_setting_with_one_underscore_is_not_passed_over() {
        let refused = refused(&[LISTEN, URL, ("BACKSTOP_DATABASE__MAX_CONNECTIONS", "5")]);
        assert!(
            refused.contains("BACKSTOP__DATABASE__MAX_CONNECTIONS"),
            "{refused}"
        );
        read(&[LISTEN, URL, ("BACKSTOP_LISTEN", "127.0.0.1:1")]).expect("somebody else's");
    }

    #[test]
    fn an_empty_variable_is_none() {
        let empty = ["BACKSTOP__SHOWN", "BACKSTOP__CACHE_FILE", "BACKSTOP_CONFIG"];
        let mut variables = vec![LISTEN, URL];
        variables.extend(empty.map(|name| (name, "")));
        let config: Config = read(&variables).expect("read").all().expect("right");
        assert!(!config.shown && config.cache.is_none());
        let refused = refused(&[("BACKSTOP__LISTEN", ""), URL]);
        assert!(refused.starts_with("missing: listen"), "{refused}");
    }

    #[test]
    fn a_secret_may_stand_in_a_file_of_its_own() {
        let (url, key) = (file("postgres://me@db/x\n"), file(&("A".repeat(43) + "=")));
        let settings = read(&[
            LISTEN,
            ("BACKSTOP__DATABASE__URL_FILE", path(&url)),
            ("BACKSTOP__KEYS__K1_FILE", path(&key)),
        ]);
        let config: Config = settings.expect("read").all().expect("right");
        assert_eq!(config.database.url.expose_secret(), "postgres://me@db/x");
        assert_eq!(config.keys["k1"], SecretKey::new([0; 32]));

        let settings = format!(
            "listen = '127.0.0.1:1'\ndatabase.url_file = '{}'",
            path(&url)
        );
        let settings = file(&settings);
        let settings = read(&[("BACKSTOP_CONFIG", path(&settings))]).expect("read");
        let config: Config = settings.all().expect("right");
        assert_eq!(config.database.url.expose_secret(), "postgres://me@db/x");
    }

    #[test]
    fn what_is_wrong_is_said_by_key() {
        let (empty, full) = (file("\n"), file("x"));
        let cases: [(&[(&str, &str)], &str); 9] = [
            (
                &[LISTEN],
                "missing: database.url (BACKSTOP__DATABASE__URL or …_FILE)",
            ),
            (
                &[LISTEN, URL, ("BACKSTOP__DATABSE__URL", "x")],
                "databse.url is no key (BACKSTOP__DATABSE__URL)",
            ),
            (
                &[LISTEN, URL, ("BACKSTOP__LISTEN_FILE", "x")],
                "listen_file is no key",
            ),
            (
                &[LISTEN, URL, ("BACKSTOP__DATABASE__MAX_CONNECTIONS", "many")],
                "database.max_connections (BACKSTOP__DATABASE__MAX_CONNECTIONS): expected a whole",
            ),
            (
                &[LISTEN, URL, ("BACKSTOP__SHOWN", "yes")],
                "shown (BACKSTOP__SHOWN): expected true",
            ),
            (
                &[("BACKSTOP__LISTEN", "here"), URL],
                "listen: invalid socket address",
            ),
            (
                &[LISTEN, URL, ("BACKSTOP__KEYS__K1", "short")],
                "keys.k1: expected 32 bytes",
            ),
            (
                &[LISTEN, ("BACKSTOP__DATABASE__URL_FILE", path(&empty))],
                "database.url_file (BACKSTOP__DATABASE__URL_FILE)",
            ),
            (
                &[LISTEN, URL, ("BACKSTOP__DATABASE__URL_FILE", path(&full))],
                "database.url is given twice",
            ),
        ];
        for (variables, expected) in cases {
            let refused = refused(variables);
            assert!(refused.starts_with(expected), "{refused}");
        }
    }

    #[test]
    fn a_wrong_file_shows_nothing_of_itself() {
        let broken = file("listen = '127.0.0.1:1'\ndatabase.url = \"swordfish");
        let refused = refused(&[("BACKSTOP_CONFIG", path(&broken))]);
        assert!(refused.contains("line 2"), "{refused}");
        assert!(!refused.contains("swordfish"), "{refused}");
    }

    #[test]
    fn a_part_is_read_without_the_others() {
        let settings = read(&[URL]).expect("read");
        let database: DatabaseConfig = settings.section(&["database"]).expect("whole");
        assert_eq!(database.max_connections, 8);
        assert!(settings.all::<Config>().is_err());
    }

    #[test]
    fn what_is_printed_is_whole_and_hides_secrets() {
        let key = file(&("A".repeat(43) + "="));
        let settings = read(&[LISTEN, URL, ("BACKSTOP__KEYS__K1_FILE", path(&key))]);
        let settings = settings.expect("read");
        let printed = settings.print();
        let expected = "# cache is not given\n\
             database.max_connections = 8 # default\n\
             database.url = \"(hidden)\" # BACKSTOP__DATABASE__URL\n\
             keys.k1 = \"(hidden)\" # BACKSTOP__KEYS__K1_FILE\n\
             listen = \"127.0.0.1:1\" # BACKSTOP__LISTEN\n\
             shown = false # default\n\
             witnesses = [] # default\n";
        assert_eq!(printed, expected);
        assert!(!format!("{settings:?}").contains("swordfish"));
    }
}
