//! `users`: local accounts.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;

use crate::auth::password;
use crate::config::{self, Env};
use crate::identity::Account;
use crate::store::Store;

/// What to do with local accounts.
#[derive(Debug, Subcommand)]
pub enum Users {
    /// Adds an account; asks for its password, or reads it from standard input
    Add(NewAccount),
    /// Lists all accounts
    List,
    /// Replaces a password and ends the account's sessions; asks for it, or reads it from standard input
    SetPassword {
        /// The sign-in name
        name: String,
    },
    /// Removes an account and ends its sessions
    Remove {
        /// The sign-in name
        name: String,
    },
}

/// An account to add.
#[derive(Debug, Args)]
pub struct NewAccount {
    /// The sign-in name; Ada and ada are one
    name: String,
    /// The display name, as Qlik will show it; the sign-in name when left out
    #[arg(long = "name", value_name = "NAME")]
    display_name: Option<String>,
    /// The e-mail address; Qlik asks for one, and each account needs its own
    #[arg(long)]
    email: String,
    /// A group that Qlik shall hear of; may be repeated
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
}

/// Does it.
///
/// # Errors
/// When the configuration or the store is not usable, or there is no such account, or there is one already.
pub async fn run(command: Users, env: &Env, now: OffsetDateTime) -> anyhow::Result<()> {
    let settings = config::load_store(env)?;
    let store = match command {
        Users::Add(_) => Store::open(&settings).await?,
        Users::List | Users::SetPassword { .. } | Users::Remove { .. } => Store::open_existing(&settings).await?,
    };
    let done = apply(command, &store, now).await;
    store.close().await;
    done
}

async fn apply(command: Users, store: &Store, now: OffsetDateTime) -> anyhow::Result<()> {
    match command {
        Users::Add(new) => add(store, new, now).await,
        Users::List => list(store).await,
        Users::SetPassword { name } => {
            let account = find(store, &name).await?;
            let hash = password::hash(&ask_for_password()?)?;
            store.set_password(&account.id, &hash, &account.identity().key()).await?;
            println!("{} has a new password; sessions under the old one have ended.", account.id);
            Ok(())
        }
        Users::Remove { name } => {
            let account = find(store, &name).await?;
            let key = account.identity().key();
            let was_listed = store.standing(&key).await?.listed.is_some();
            store.remove_account(&account.id, &key).await?;
            println!("{} is removed, and signed out everywhere.", account.id);
            if was_listed {
                println!("So is its entry in the list of subjects.");
            }
            Ok(())
        }
    }
}

async fn find(store: &Store, name: &str) -> anyhow::Result<Account> {
    let found = store.account(&Account::canonical(name)).await?;
    let Some((account, _)) = found else { bail!("there is no account named {name}: see `users list`") };
    Ok(account)
}

async fn add(store: &Store, new: NewAccount, now: OffsetDateTime) -> anyhow::Result<()> {
    let account = account(new)?;
    if store.account(&account.id).await?.is_some() {
        bail!(
            "there is an account named {} already: change it with `users set-password`, or remove it first",
            account.id
        );
    }
    let hash = password::hash(&ask_for_password()?)?;
    store.add_account(&account, &hash, now).await?;
    println!("{} can sign in.", account.id);
    Ok(())
}

fn account(new: NewAccount) -> anyhow::Result<Account> {
    let id = Account::canonical(&new.name);
    let plain = |text: &str| !text.trim().is_empty() && !text.chars().any(char::is_control);
    let fits = |c: char| c.is_alphanumeric() || "._-@+".contains(c);
    if id.is_empty() || id.len() > 128 || !id.chars().all(fits) {
        bail!("{:?} cannot be a sign-in name: use 1 to 128 letters, digits and the signs . _ - @ +", new.name);
    }
    let email = new.email.trim().to_owned();
    let (before, after) = email.split_once('@').unwrap_or_default();
    if before.is_empty() || !after.contains('.') || after.contains('@') || email.contains(char::is_whitespace) {
        bail!("{email:?} is not an e-mail address, such as ada@example.com");
    }
    let name = new.display_name.unwrap_or_else(|| new.name.trim().to_owned());
    if !plain(&name) || !new.groups.iter().all(|group| plain(group)) {
        bail!("names of people and groups cannot be empty or have control characters");
    }
    Ok(Account { id, name, email, groups: new.groups })
}

async fn list(store: &Store) -> anyhow::Result<()> {
    let accounts = store.accounts().await?;
    if accounts.is_empty() {
        println!("There are no accounts. Add one: qlik-embed-bff users add NAME --email ADDRESS");
        return Ok(());
    }
    let width =
        |of: fn(&Account) -> &str| accounts.iter().map(|account| of(account).chars().count()).max().unwrap_or(0);
    let (ids, names, emails) = (width(|a| &a.id), width(|a| &a.name), width(|a| &a.email));
    let mut out = std::io::stdout().lock();
    for Account { id, name, email, groups } in &accounts {
        let line = format!("{id:ids$}  {name:names$}  {email:emails$}  {}", groups.join(", "));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// At a terminal it is asked for twice and not shown; otherwise it is the first line of standard input.
fn ask_for_password() -> anyhow::Result<SecretString> {
    if std::io::stdin().is_terminal() {
        let first = SecretString::from(rpassword::prompt_password("Password: ")?);
        let again = SecretString::from(rpassword::prompt_password("Once more: ")?);
        if first.expose_secret() != again.expose_secret() {
            bail!("the two are not the same; nothing has changed");
        }
        return Ok(first);
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("no password on standard input")?;
    let password = SecretString::from(line.trim_end_matches(['\r', '\n']));
    zeroize::Zeroize::zeroize(&mut line);
    Ok(password)
}
