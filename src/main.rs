//! The binary: which command, with which environment, and what its end means.

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use qlik_embed_bff::audit;
use qlik_embed_bff::clock::Clock;
use qlik_embed_bff::commands::{
    config as config_command, demo, doctor, health, identity, keygen, migrate, serve, setup, subjects, token, users,
};
use qlik_embed_bff::config::{self, EXIT_CONFIG, Env, Log, LogFormat, Problems};
use qlik_embed_bff::store;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, reload};

/// What visitors wait for is made of many small pieces; the system's allocator costs a tenth more (docs/performance.md). On
/// a host with little memory, build with `--no-default-features`.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Settings for this folder.
const ENV_FILE: &str = ".env";

/// Embeds Qlik Cloud sheets in a company's portal, without a second login.
///
/// Settings are environment variables, or lines of a file named .env in the working directory; the manual of all settings
/// is .env.example. Exit codes: 0 done, 1 failed, 2 wrong usage, 78 configuration.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves the portal's pages (the default)
    Serve,
    /// Serves on this machine with a simulated tenant, without any configuration
    Demo(demo::Demo),
    /// Makes the key pair with which tokens are signed, and says where its certificate goes
    Keygen(keygen::Keygen),
    /// Brings the tables of the database up to date, as each start does, or says how they stand
    Migrate(migrate::Migrate),
    /// Makes one token and prints it
    Token(token::Token),
    /// Tells who somebody is to Qlik, and why
    #[command(subcommand)]
    Identity(identity::IdentityCommand),
    /// Manages local accounts
    #[command(subcommand)]
    Users(users::Users),
    /// Manages who somebody is to Qlik: the list, and whose each subject is
    #[command(subcommand)]
    Subjects(subjects::Subjects),
    /// Checks or shows the configuration
    #[command(subcommand)]
    Config(config_command::ConfigCommand),
    /// Sets the tenant up: shows what is there and what is missing, or creates it, and writes the settings into .env
    Setup(setup::Options),
    /// Finds what is wrong between this server, the tenant and the provider, and says what to do. Exit code 1 when a check
    /// fails
    Doctor(doctor::Options),
    /// Asks the server of this configuration whether it is ready, for the health checks of containers. Exit code 1 when not
    Health,
}

fn main() -> ExitCode {
    let command = Cli::parse().command.unwrap_or(Command::Serve);
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("qlik-embed-bff: {problem:#}");
            let of_configuration = problem.is::<Problems>()
                || problem.downcast_ref::<store::Error>().is_some_and(store::Error::is_of_configuration);
            if of_configuration { ExitCode::from(EXIT_CONFIG) } else { ExitCode::FAILURE }
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    let clock = Clock::default();
    let now = clock.now();
    // One TLS library for all: fails only when another was installed first, and nothing ran before this.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // Before there is another thread: it takes variables out of the environment.
    let passed = if matches!(command, Command::Serve) { serve::passed_socket()? } else { None };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match command {
        Command::Serve => {
            let mut process = process();
            if let Some(socket) = &passed {
                process.insert("LISTEN".to_owned(), socket.local_addr()?.to_string());
            }
            let source = serve::Source { process, file: ENV_FILE.into() };
            let env = source.env()?;
            let loaded = config::load(&env, now)?;
            let (audit, level) = log(&loaded.log)?;
            for hint in &loaded.hints {
                tracing::warn!("{hint}");
            }
            let settings = serve::Settings::read(source, loaded.hints, level, loaded.log.filter)?;
            runtime.block_on(serve::run(loaded.config, clock, audit, passed, settings))
        }
        Command::Demo(demo) => {
            log(&config::load_log(&Env::from([("RUST_LOG".to_owned(), "warn".to_owned())]))?)?;
            runtime.block_on(demo::run(demo, clock))
        }
        Command::Keygen(keygen) => keygen::run(&keygen, now, &mut std::io::stdout()),
        Command::Migrate(migrate) => runtime.block_on(migrate::run(migrate, &environment()?)),
        Command::Token(token) => runtime.block_on(token::for_account(token, &environment()?, now)),
        Command::Identity(command) => runtime.block_on(identity::run(command, &environment()?, now)),
        Command::Users(users) => runtime.block_on(users::run(users, &environment()?, now)),
        Command::Subjects(subjects) => runtime.block_on(subjects::run(subjects, &environment()?, now)),
        Command::Setup(options) => runtime.block_on(setup::run(options, &process(), clock)),
        Command::Doctor(options) => runtime.block_on(doctor::run(options, &environment()?, clock)),
        Command::Health => runtime.block_on(health::run(&environment()?)),
        Command::Config(command) => Ok(config_command::run(command, &environment()?, now)?),
    }
}

/// The process's environment.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn process() -> Env {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The process's environment, and under it what `.env` in the working directory says.
fn environment() -> Result<Env, Problems> {
    config::with_dotenv(&process(), Path::new(ENV_FILE))
}

/// Begins to log. Gives the file of the audit, when there is one, to whoever keeps it, and what changes how much is logged.
fn log(log: &Log) -> Result<(Option<audit::file::File>, serve::LogLevel), Problems> {
    let file = log.open_audit()?;
    let (filter, handle) = reload::Layer::new(filter(&log.filter));
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let lines = match log.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed(),
    };
    match &file {
        None => tracing_subscriber::registry().with(lines.and_then(filter)).init(),
        // What RUST_LOG leaves out of the log is in this file all the same.
        Some(file) => {
            let events = fmt::layer()
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(false)
                .with_target(false)
                .with_writer(file.clone())
                .with_filter(Targets::new().with_target(audit::TARGET, LevelFilter::INFO));
            tracing_subscriber::registry().with(lines.with_filter(filter)).with(events).init();
        }
    }
    Ok((file, Arc::new(move |directives| Ok(handle.reload(self::filter(directives))?))))
}

/// The session layer warns of each stale cookie; for us that is somebody whose session has ended.
fn filter(directives: &str) -> EnvFilter {
    EnvFilter::new(format!("tower_sessions=warn,tower_sessions_core=error,sqlx::postgres::notice=warn,{directives}"))
}
