//! `setup --rotate-key`: a second identity provider with a new key beside the old one, a probe, the switch, and later the end
//! of the old one.

use std::path::Path;

use anyhow::{Context, bail};
use secrecy::SecretString;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::ask::{Answer, Answers, Consent};
use super::{ENV_FILE, Setup, tell};
use crate::config::{self, Env, Written};
use crate::doctor::probe;
use crate::qlik::key::SigningKey;
use crate::qlik::token;
use crate::setup::env_file::{Change, EnvFile, changed};
use crate::setup::pair::{self, NewPair};
use crate::setup::rotation::Rotation;
use crate::setup::{Desk, Names, Signing, State};

const NAMES: [&str; 2] = ["QLIK_JWT_ISSUER", "QLIK_JWT_KEY_ID"];
const KEY: &str = "QLIK_JWT_PRIVATE_KEY";
const KEY_FILE: &str = "QLIK_JWT_PRIVATE_KEY_FILE";

/// Changes the key, or goes on with a change that is under way.
pub(super) async fn run(setup: Setup, process: &Env, desk: &Desk) -> anyhow::Result<()> {
    let Some(signing) = setup.signing()? else {
        bail!("there is no key to be changed yet: `qlik-embed-bff setup --apply` makes the first one");
    };
    must_be_ours(process)?;
    let place = setup.known.signing.file.clone();
    let keys = place.as_deref().map_or(Path::new("keys"), pair::folder_of).to_owned();
    let under_way = Rotation::read(&keys)?;
    if under_way.is_none() && setup.options.finish {
        bail!("no change of keys is under way");
    }
    let mut file = EnvFile::open(Path::new(ENV_FILE))?;
    let consent = Consent::of(setup.options.yes);
    if consent == Consent::Nobody {
        bail!("nothing was changed: there is no terminal to ask at; say --yes");
    }
    let mut answers = Answers::new(consent);
    // Nothing is made here that the tenant would not take.
    desk.look(&setup.wanted(Some(signing.clone()))).await?;
    let mut rotation = match under_way {
        Some(rotation) => rotation,
        None => begin(&setup, &signing.names, &keys, &mut answers)?,
    };
    if signing.names == rotation.old {
        if setup.options.finish {
            bail!("tokens are signed with the old key still: run this without --finish to go on");
        }
        // Whatever was before, everybody has time to notice this switch.
        rotation.remove_after = None;
        switch(&setup, desk, &rotation, &mut file, &mut answers).await?;
    } else if signing.names != rotation.new {
        bail!(
            "the settings name the issuer {}, which is neither the old one nor the new one: nothing was changed; correct {ENV_FILE}, \
             or remove {} to begin anew",
            signing.names.issuer,
            Rotation::file(&keys).display()
        );
    }
    if rotation.remove_after.is_none() {
        rotation.remove_after = Some((setup.clock.now() + setup.options.keep_old).unix_timestamp());
        rotation.keep(&keys)?;
    }
    wait(&setup, &rotation).await?;
    let now = config::load_setup(&config::with_dotenv(process, Path::new(ENV_FILE))?, setup.clock.now())?.signing;
    if (now.issuer.as_deref(), now.key_id.as_deref()) != (Some(&*rotation.new.issuer), Some(&*rotation.new.key_id)) {
        bail!("the settings do not name the new key any more, so the old identity provider stays");
    }
    end(desk, &rotation, &keys, &mut answers).await
}

/// What the environment of the process says cannot be changed from here, and would win over `.env`.
fn must_be_ours(process: &Env) -> anyhow::Result<()> {
    let outside = Written::of(process);
    let set = NAMES.into_iter().chain([KEY]).find(|name| outside.value(name).is_some());
    match set.or_else(|| outside.file_of(KEY).map(|_| KEY_FILE)) {
        Some(name) => bail!("the environment sets {name}, which wins over {ENV_FILE}: set it in {ENV_FILE} instead"),
        None => Ok(()),
    }
}

fn begin(setup: &Setup, old: &Names, keys: &Path, answers: &mut Answers) -> anyhow::Result<Rotation> {
    let now = setup.clock.now();
    let seconds = now.unix_timestamp();
    // Two changes within a second have two names.
    let mut names = (seconds..).map(|number| keys.join(format!("privatekey-{number}.pem")));
    let private_key = names.find(|name| !name.exists()).context("no name for another key is free")?;
    if answers.question(&format!("Make a new key pair, {}?", private_key.display()))? != Answer::Yes {
        bail!("nothing was changed");
    }
    let certificate = pair::certificate_of(&private_key);
    let new = NewPair {
        private_key: &private_key,
        certificate: &certificate,
        bits: setup.options.bits,
        days: pair::DAYS,
        common_name: pair::COMMON_NAME,
        force: false,
    };
    let made = pair::make(&new, now)?;
    let rotation = Rotation { old: old.clone(), new: Names::of(&made.key), private_key, remove_after: None };
    rotation.keep(keys)?;
    println!("{:9}Key pair: {}", "done", rotation.private_key.display());
    Ok(rotation)
}

/// The second provider, the probe, and the settings.
async fn switch(
    setup: &Setup,
    desk: &Desk,
    rotation: &Rotation,
    file: &mut EnvFile,
    answers: &mut Answers,
) -> anyhow::Result<()> {
    let signing = new_signing(rotation)?;
    let step = desk.provider_of(&signing, &setup.wanted(None)).await?;
    if step.state == State::Stuck {
        bail!("the new identity provider cannot be made: {}", step.found);
    }
    if step.is_open() {
        if answers.ask(&step)? != Answer::Yes {
            bail!("stopped: tokens are signed with the old key; run this again to go on");
        }
        desk.carry_out(&step, &setup.wanted(Some(signing.clone()))).await?;
        tell::done(&step);
    }
    let subject = probe();
    println!(
        "Signing in as {} with the new key: if there is no such user in the tenant yet, this creates one.",
        subject.id
    );
    if answers.question("Sign in?")? != Answer::Yes {
        bail!("stopped: tokens are signed with the old key; run this again to go on");
    }
    let Names { issuer, key_id } = &signing.names;
    let settings = token::Settings::new(issuer, key_id, signing.key.clone(), setup.known.signing.validity);
    let probed = desk.probe(&settings, &subject).await;
    probed.context("tokens are signed with the old key still; run this again to go on")?;
    println!("{:9}The tenant takes the new key", "done");
    let changes: [Change; 4] = [
        ("QLIK_JWT_ISSUER", Some(issuer.clone())),
        ("QLIK_JWT_KEY_ID", Some(key_id.clone())),
        (KEY, None),
        (KEY_FILE, Some(rotation.private_key.display().to_string())),
    ];
    if answers.question(&format!("Let {ENV_FILE} name the new key?"))? != Answer::Yes {
        bail!("stopped: tokens are signed with the old key; run this again to go on");
    }
    let text = changed(file.text(), &changes);
    let backup = file.write(&text, setup.clock.now())?;
    println!("{:9}{ENV_FILE} names the new key: issuer {issuer}, key ID {key_id}", "done");
    if let Some(backup) = backup {
        println!("         what was there before is kept in {}", backup.display());
    }
    println!("         a server that runs in this folder takes it within 5 seconds, or at once on SIGHUP");
    Ok(())
}

fn new_signing(rotation: &Rotation) -> anyhow::Result<Signing> {
    let read = |file: &Path| std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()));
    let pem = SecretString::from(read(&rotation.private_key)?);
    let key = SigningKey::parse(&pem);
    let key = key.map_err(|problem| anyhow::anyhow!("{} {problem}", rotation.private_key.display()))?;
    let certificate = read(&pair::certificate_of(&rotation.private_key))?;
    Ok(Signing { key, certificate: Some(certificate), names: rotation.new.clone() })
}

/// Tokens that are under way, and servers that do not know of the new key yet, need the old provider for a while.
async fn wait(setup: &Setup, rotation: &Rotation) -> anyhow::Result<()> {
    let end = rotation.end().unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let left = end - setup.clock.now();
    let Ok(left) = std::time::Duration::try_from(left) else { return Ok(()) };
    let at = end.format(&Rfc3339).unwrap_or_default();
    if setup.options.finish {
        bail!("the old identity provider stays until {at}: come back then");
    }
    println!(
        "The old identity provider stays until {at}. This waits; after Ctrl+C, `qlik-embed-bff setup --rotate-key --finish` \
         removes it later."
    );
    tokio::time::sleep(left).await;
    Ok(())
}

/// Only what we made is deleted.
async fn end(desk: &Desk, rotation: &Rotation, keys: &Path, answers: &mut Answers) -> anyhow::Result<()> {
    let Names { issuer, key_id } = &rotation.old;
    match desk.provider(&rotation.old).await? {
        None => println!("{:9}The old identity provider is gone already", "there"),
        Some((_, false)) => println!(
            "{:9}The old identity provider, issuer {issuer}, key ID {key_id}, was not made by setup: delete it in the tenant, \
             Administration, Identity provider",
            "left"
        ),
        Some((id, true)) => {
            let question = format!("Delete the old identity provider, issuer {issuer}, key ID {key_id}?");
            if answers.question(&question)? != Answer::Yes {
                bail!("stopped: the old identity provider stays; run this again to remove it");
            }
            desk.delete_provider(&id).await?;
            println!("{:9}The old identity provider is deleted; its key pair stays where it is", "done");
        }
    }
    Rotation::forget(keys)
}
