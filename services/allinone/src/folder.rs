//! The data folder: databases, keys, and what the other commands need to find the running process.

use std::{
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use chassis::secret::SecretKey;
use rand::Rng;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The folder. Nobody but its owner can read it.
#[derive(Debug, Clone)]
pub struct DataFolder(PathBuf);

/// Held while a process uses the databases of the folder.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Where the running process is found, in `run.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Run {
    /// Its process id.
    pub pid: u32,
    /// Where it serves HTTP.
    pub http: SocketAddr,
    /// Where it takes operator commands.
    pub control: SocketAddr,
    /// Bearer of the operator commands: whoever may read the folder may give them.
    pub control_token: String,
}

/// What a demonstration remembers, in `demo.json`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DemoState {
    /// Whether the county was loaded.
    pub loaded: bool,
    /// How far the clock was moved.
    pub clock_offset_seconds: i64,
}

/// Keys that are made once and never shown.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// Keyed hashes of the ledgers and of cursors, base64.
    pub ledger: String,
    /// Seals ID numbers, base64.
    pub id_number_seal: String,
    /// Finds ID numbers, base64.
    pub id_number_lookup: String,
    /// Signs checkpoints of the ledger, base64.
    pub log_signing: String,
    /// Signs query tokens, base64.
    pub query_signing: String,
}

/// Files of the keys, below the folder's `secrets`.
const KEYS: [&str; 5] = [
    "ledger.key",
    "id-number-seal.key",
    "id-number-lookup.key",
    "log-signing.key",
    "query-signing.key",
];

impl DataFolder {
    /// Opens the folder and makes it when it is not there.
    ///
    /// # Errors
    /// The folder cannot be made, read or written.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let unusable = || format!("cannot use the data folder {}", path.display());
        fs::create_dir_all(path).with_context(unusable)?;
        fs::read_dir(path).with_context(unusable)?;
        fs::set_permissions(path, Permissions::from_mode(0o700)).with_context(unusable)?;
        // Services get absolute paths: they may be asked from anywhere.
        Ok(Self(path.canonicalize().with_context(unusable)?))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where papers and photos are.
    #[must_use]
    pub fn evidence(&self) -> PathBuf {
        self.0.join("evidence")
    }

    /// Takes the folder for this process, and away what a killed one announced.
    ///
    /// # Errors
    /// Another process has it.
    pub fn lock(&self) -> anyhow::Result<Lock> {
        let path = self.0.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("cannot use the data folder {}", self.0.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                file.read_to_string(&mut pid).unwrap_or_default();
                bail!(
                    "another backstop (process {}) uses {}; stop it, or choose another folder with \
                     BACKSTOP_DATA_DIR",
                    pid.trim(),
                    self.0.display()
                );
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        file.set_len(0)?;
        writeln!(file, "{}", std::process::id())?;
        self.retire();
        Ok(Lock { _file: file })
    }

    /// The running process.
    ///
    /// # Errors
    /// None runs, or it is not ready yet.
    pub fn running(&self) -> anyhow::Result<Run> {
        anyhow::ensure!(
            self.lock().is_err(),
            "nothing runs on this data folder; start it with `backstop up`"
        );
        self.read("run.json")?
            .context("it is still starting; try again when `backstop up` says that it is ready")
    }

    /// Tells other commands where this process is.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn announce(&self, run: &Run) -> anyhow::Result<()> {
        self.write("run.json", run)
    }

    /// Takes the announcement back.
    pub fn retire(&self) {
        // It says nothing once the lock is gone.
        let _ = fs::remove_file(self.0.join("run.json"));
    }

    /// The demonstration of this folder, if it holds one.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn demo(&self) -> anyhow::Result<Option<DemoState>> {
        self.read("demo.json")
    }

    /// Changes what the demonstration remembers; makes the folder one's.
    ///
    /// # Errors
    /// The folder cannot be read or written.
    pub fn change_demo(&self, change: impl FnOnce(&mut DemoState)) -> anyhow::Result<DemoState> {
        let mut state = self.demo()?.unwrap_or_default();
        change(&mut state);
        self.write("demo.json", &state)?;
        Ok(state)
    }

    /// The folder's keys; made the first time.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn secrets(&self) -> anyhow::Result<Secrets> {
        let folder = self.0.join("secrets");
        fs::create_dir_all(&folder)?;
        let [
            ledger,
            id_number_seal,
            id_number_lookup,
            log_signing,
            query_signing,
        ] = KEYS;
        let key = |name| secret(&folder.join(name));
        Ok(Secrets {
            ledger: key(ledger)?,
            id_number_seal: key(id_number_seal)?,
            id_number_lookup: key(id_number_lookup)?,
            log_signing: key(log_signing)?,
            query_signing: key(query_signing)?,
        })
    }

    /// What is wrong with the keys, without making any; `None` when nobody has made one yet.
    #[must_use]
    pub fn wrong_keys(&self) -> Option<Vec<String>> {
        let folder = self.0.join("secrets");
        let is_used = folder.exists() || self.0.join("pg").exists();
        let wrong = |name: &str| match fs::read_to_string(folder.join(name)) {
            Ok(text) => {
                let key = text.parse::<SecretKey>();
                key.err().map(|error| format!("secrets/{name}: {error}"))
            }
            Err(error) => Some(format!("secrets/{name}: {}", error.kind())),
        };
        is_used.then(|| KEYS.into_iter().filter_map(wrong).collect())
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> anyhow::Result<Option<T>> {
        match fs::read(self.0.join(name)) {
            Ok(text) => {
                let value = serde_json::from_slice(&text);
                value
                    .map(Some)
                    .with_context(|| format!("{name} is damaged"))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {name}")),
        }
    }

    fn write(&self, name: &str, value: &impl Serialize) -> anyhow::Result<()> {
        write_private(&self.0.join(name), &serde_json::to_vec_pretty(value)?)
    }
}

/// Reads the key in `path`, or makes one.
pub(crate) fn secret(path: &Path) -> anyhow::Result<String> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let text = BASE64_STANDARD.encode(random_bytes());
            write_private(path, text.as_bytes())?;
            Ok(text)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Bytes for a key or a token.
#[expect(
    clippy::disallowed_methods,
    reason = "a key is made once and must not be repeatable"
)]
pub(crate) fn random_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

/// Replaces a file that only its owner may read. Readers see the old or the new one, never half.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let written = || format!("cannot write {}", path.display());
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)
        .with_context(written)?;
    file.write_all(content).with_context(written)?;
    file.sync_all().with_context(written)?;
    fs::rename(&fresh, path).with_context(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_made_once_and_private() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = DataFolder::open(folder.path()).expect("opened");
        assert_eq!(data.wrong_keys(), None, "nobody has made one yet");
        let first = data.secrets().expect("made");
        let again = data.secrets().expect("read");
        assert_eq!(first.ledger, again.ledger);
        assert_ne!(first.ledger, first.id_number_seal);
        assert_eq!(data.wrong_keys(), Some(Vec::new()));
        let key = fs::metadata(folder.path().join("secrets/ledger.key")).expect("there");
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
        fs::write(folder.path().join("secrets/ledger.key"), "short").expect("written");
        fs::remove_file(folder.path().join("secrets/query-signing.key")).expect("removed");
        let wrong = data.wrong_keys().expect("looked at").join("; ");
        let expected = "secrets/ledger.key: expected 32 bytes in base64; \
                        secrets/query-signing.key: entity not found";
        assert_eq!(wrong, expected);
    }

    #[test]
    fn a_second_lock_is_refused_in_one_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = DataFolder::open(folder.path()).expect("opened");
        let lock = data.lock().expect("free");
        let refused = data.lock().expect_err("taken").to_string();
        assert!(
            refused.contains("another backstop") && !refused.contains('\n'),
            "{refused}"
        );
        drop(lock);
        data.lock().expect("free again");
    }

    #[test]
    fn a_process_is_found_once_it_has_announced_itself() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = DataFolder::open(folder.path()).expect("opened");
        let refused = || data.running().expect_err("refused").to_string();
        assert!(refused().starts_with("nothing runs"));

        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let run = Run {
            pid: 1,
            http: address,
            control: address,
            control_token: "token".to_owned(),
        };
        data.announce(&run).expect("written");
        let lock = data.lock().expect("free");
        assert!(refused().starts_with("it is still starting"));
        data.announce(&run).expect("written");
        assert_eq!(data.running().expect("found").http, address);
        drop(lock);
        assert!(refused().starts_with("nothing runs"));
    }

    #[test]
    fn a_file_is_no_folder() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let refused = DataFolder::open(file.path()).expect_err("refused");
        assert!(
            refused
                .to_string()
                .starts_with("cannot use the data folder")
        );
    }
}
