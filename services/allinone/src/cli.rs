//! The command line. Every command says by example how it is used.

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use anyhow::Context;
use chassis::tlog::LogKey;
use clap::{Arg, Args, CommandFactory, Parser, Subcommand};
use kernel::{Code, DivisionCode, Role};

use crate::{
    check, clock, county_data, databases, doctor,
    folder::DataFolder,
    import,
    issuer::{Account, Issuer},
    migrate, platform, seal, up, verify, walkthrough, witness,
};

/// Runs the command that the arguments name; what goes wrong is said in one line.
#[must_use]
pub fn main() -> ExitCode {
    // A provider is installed only once; whoever was first is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = Cli::parse();
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(cli.run()));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("backstop: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The variables that stand in for arguments, whichever commands have them.
#[must_use]
pub fn variables() -> BTreeMap<String, Arg> {
    let mut found = BTreeMap::new();
    let mut commands = vec![Cli::command()];
    while let Some(command) = commands.pop() {
        for argument in command.get_arguments() {
            if let Some(variable) = argument.get_env() {
                let variable = variable.to_string_lossy().into_owned();
                found.insert(variable, argument.clone());
            }
        }
        commands.extend(command.get_subcommands().cloned());
    }
    found
}

/// Backstop: a county's monitoring and assistance against return to poverty.
#[derive(Debug, Parser)]
#[command(
    name = "backstop",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Without a command, `up` runs.\n\nExample:\n  backstop up --demo"
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    up: up::Options,
    /// Folder of databases, keys and the development issuer.
    #[arg(
        long,
        global = true,
        env = "BACKSTOP_DATA_DIR",
        default_value = "./data"
    )]
    data_dir: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts the four services and the gateway in this process.
    #[command(
        after_help = "Example:\n  backstop up --demo\n  BACKSTOP_LISTEN=127.0.0.1:9000 \
                            DATABASE_URL=postgres://me@db/backstop backstop up"
    )]
    Up(up::Options),
    /// Sends household sheets (XLSX or CSV of the national format) to the running platform.
    #[command(after_help = "Example:\n  backstop import households.xlsx more.csv")]
    Import(import::Options),
    /// Prints a token of the development issuer.
    #[command(after_help = "Example:\n  backstop token --role VILLAGE_CADRE \
                            --division 999999001001\n  backstop token --role DEPARTMENT_LIAISON \
                            --division 999999000000 --department medical_insurance")]
    Token(TokenOptions),
    /// Leads a household from its first lead to 风险消除 before your eyes (needs `up --demo`).
    #[command(after_help = "Example:\n  backstop up --demo      # in one shell\n  \
                            backstop walkthrough    # in another")]
    Walkthrough(walkthrough::Options),
    /// Moves the clock of a running `up --demo`.
    #[command(subcommand, after_help = "Example:\n  backstop clock advance 8d")]
    Clock(clock::Command),
    /// Recomputes every ledger and names the first row that was changed, removed or moved.
    #[command(
        after_help = "Example:\n  backstop verify --witness witness.checkpoint\n  \
                            DATABASE_URL=postgres://me@db/backstop backstop verify"
    )]
    Verify(verify::Options),
    /// Looks at the data folder, the running platform and its databases; ends with 0 when nothing is wrong.
    #[command(after_help = "Example:\n  backstop doctor\n  backstop doctor --json >doctor.json")]
    Doctor(doctor::Options),
    /// Watches a county's ledger from outside and signs that it only grows (no database needed).
    #[command(
        after_help = "Example:\n  backstop witness --log https://county.example/log \\\n    \
                            --key backstop/999999000000/ledger+0123abcd+AR… \\\n    \
                            --name discipline.example/w1 --every 60"
    )]
    Witness(witness::Options),
    /// Checks offline that a case file is unaltered (no database needed).
    #[command(after_help = "Example:\n  backstop check case.json \\\n    \
                            --key backstop/999999000000/ledger+0123abcd+AR… \\\n    \
                            --code 0F3C-77A1-…")]
    Check(check::Options),
    /// Prints the day's seal of the ledger for the township's document.
    #[command(after_help = "Example:\n  backstop seal 2026-08-31\n  \
                            backstop seal --log https://county.example/log")]
    Seal(seal::Options),
    /// Prints the ledger's public key, to be given to witnesses and published.
    #[command(after_help = "Example:\n  backstop log-key")]
    LogKey(LogKeyOptions),
    /// Brings every schema to this program's version.
    #[command(after_help = "Example:\n  DATABASE_URL=postgres://me@db/backstop backstop migrate")]
    Migrate(databases::Options),
    /// Writes everything of the county into a folder: tables and papers. Nobody may be using the
    /// embedded database meanwhile.
    #[command(after_help = "Example:\n  backstop export-data county-2026-08-31")]
    ExportData(county_data::Options),
    /// Fills a new database from such a folder, and proves that every table is equal.
    #[command(
        after_help = "Example:\n  DATABASE_URL=postgres://postgres@db/backstop backstop \
                            import-data county-2026-08-31"
    )]
    ImportData(county_data::Options),
}

#[derive(Debug, Args)]
struct LogKeyOptions {
    /// The county, 12 digits.
    #[arg(long, env = "BACKSTOP_COUNTY", default_value = "999999000000")]
    county: DivisionCode,
}

#[derive(Debug, Args)]
struct TokenOptions {
    /// Role, e.g. COUNTY_OFFICER or VILLAGE_CADRE.
    #[arg(long, value_parser = role)]
    role: Role,
    /// Division whose inside is visible, 12 digits.
    #[arg(long, value_parser = division)]
    division: DivisionCode,
    /// Department of a liaison.
    #[arg(long)]
    department: Option<String>,
    /// Account; made of role and division when left out.
    #[arg(long)]
    account: Option<String>,
}

impl Cli {
    async fn run(self) -> anyhow::Result<()> {
        // Who checks from outside has no data folder, and gets none.
        let folder = || DataFolder::open(&self.data_dir);
        match self.command {
            None => up::run(folder()?, self.up).await,
            Some(Command::Up(options)) => up::run(folder()?, options).await,
            Some(Command::Import(options)) => import::run(&folder()?, options).await,
            Some(Command::Token(options)) => print_token(&folder()?, options),
            Some(Command::Walkthrough(options)) => walkthrough::run(&folder()?, options).await,
            Some(Command::Clock(command)) => clock::run(&folder()?, command).await,
            Some(Command::Verify(options)) => verify::run(&folder()?, options).await,
            Some(Command::Doctor(options)) => doctor::run(&self.data_dir, options).await,
            Some(Command::Witness(options)) => witness::run(options).await,
            Some(Command::Check(options)) => check::run(&options),
            Some(Command::Seal(options)) => seal::run(folder, options).await,
            Some(Command::LogKey(options)) => print_log_key(&folder()?, &options),
            Some(Command::Migrate(options)) => migrate::run(&folder()?, options).await,
            Some(Command::ExportData(options)) => county_data::export(&folder()?, options).await,
            Some(Command::ImportData(options)) => county_data::import(&folder()?, options).await,
        }
    }
}

fn print_log_key(folder: &DataFolder, options: &LogKeyOptions) -> anyhow::Result<()> {
    let signing = folder
        .secrets()?
        .log_signing
        .parse()
        .context("log-signing.key")?;
    let key = LogKey::new(&platform::log_origin(options.county), &signing)?;
    println!("{}", key.verifier());
    Ok(())
}

fn print_token(folder: &DataFolder, options: TokenOptions) -> anyhow::Result<()> {
    let liaison = options.role == Role::DepartmentLiaison;
    anyhow::ensure!(
        liaison == options.department.is_some(),
        "--department is for DEPARTMENT_LIAISON, and only for it"
    );
    let mut account = Account::new(options.role, options.division);
    account.department = options.department;
    if let Some(name) = options.account {
        account.name = name;
    }
    let token = Issuer::open(folder.path())?
        .mint(&account)
        .context("cannot mint a token")?;
    println!("{token}");
    Ok(())
}

fn role(text: &str) -> Result<Role, String> {
    Role::parse(&text.to_uppercase()).map_err(|error| error.to_string())
}

fn division(text: &str) -> Result<DivisionCode, String> {
    text.parse()
        .map_err(|error: kernel::InvalidDivisionCode| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_command_shows_an_example() {
        Cli::command().debug_assert();
        for mut command in Cli::command().get_subcommands().cloned() {
            let help = command.render_long_help().to_string();
            assert!(
                help.contains("Example:"),
                "{} has no example",
                command.get_name()
            );
        }
    }

    #[test]
    fn up_is_the_default() {
        let cli = Cli::try_parse_from(["backstop", "--demo"]).expect("parsed");
        assert!(cli.command.is_none() && cli.up.demo);
    }
}
