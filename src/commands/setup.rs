//! `setup`: what has to be in the tenant before a sheet can be embedded, planned or carried out, and the settings that come of
//! it.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;

use crate::clock::Clock;
use crate::config::{self, Env, ToSetUp};
use crate::qlik::key::KeySize;
use crate::setup::by_hand::ByHand;
use crate::setup::env_file::EnvFile;
use crate::setup::pair::{self, NewPair};
use crate::setup::{Desk, Names, Part, Plan, Signing, State, Step, Wanted, plan};

mod ask;
mod page;
mod rotate;
mod settings;
mod tell;

use ask::{Answer, Answers, Consent};
use page::Page;
use settings::{Settings, Value, Wish};

/// The file that is written.
const ENV_FILE: &str = ".env";

/// What to do, and how much to ask.
#[derive(Debug, Args)]
pub struct Options {
    /// Show what is there and what would be created or changed; change nothing (the default)
    #[arg(long, conflicts_with = "carry_out")]
    plan: bool,
    /// Carry it out. Asks before each change
    #[arg(long, group = "carry_out")]
    apply: bool,
    /// Change the key that signs: make another, with an identity provider of its own beside the old one; sign in once with it,
    /// as qlik-embed-bff-probe, which creates a user of that name; let .env name it; and delete the old provider later
    #[arg(long, group = "carry_out")]
    rotate_key: bool,
    /// How long the old identity provider stays
    #[arg(long, requires = "rotate_key", default_value = "1h", value_name = "TIME", value_parser = humantime::parse_duration)]
    keep_old: std::time::Duration,
    /// Only end a change of keys whose time has come; wait for nothing
    #[arg(long, requires = "rotate_key")]
    finish: bool,
    /// Ask nothing
    #[arg(long, requires = "carry_out")]
    yes: bool,
    /// The app to embed, by id or title; needed when there are several and nobody to ask
    #[arg(long, value_name = "APP")]
    app: Option<String>,
    /// Its sheet, by id or title
    #[arg(long, value_name = "SHEET")]
    sheet: Option<String>,
    /// Switch the creation of groups on, though the settings map none
    #[arg(long)]
    groups: bool,
    /// Look after the OAuth client for impersonation too
    #[arg(long)]
    oauth: bool,
    /// Size of the key that is made when there is none, 4096 or 2048
    #[arg(long, default_value_t)]
    bits: KeySize,
    /// Print the plan as one JSON object
    #[arg(long, conflicts_with = "carry_out")]
    json: bool,
}

/// Plans, or carries out.
///
/// # Errors
/// When the settings cannot be used, the tenant refuses, or nobody can be asked.
pub async fn run(options: Options, process: &Env, clock: Clock) -> anyhow::Result<()> {
    let env = config::with_dotenv(process, Path::new(ENV_FILE))?;
    let known = config::load_setup(&env, clock.now())?;
    for hint in known.hints.iter().filter(|_| !options.json) {
        eprintln!("note: {hint}");
    }
    let file = if options.apply { Some(EnvFile::open(Path::new(ENV_FILE))?) } else { None };
    let settings = Settings::new(process, &env)?;
    let setup = Setup { options, known, settings, clock };
    match setup.known.access.clone() {
        Some(access) => {
            let desk = Desk::new(&setup.known.tenant, access, setup.clock.clone());
            let desk = desk.context("the certificate authorities of this machine cannot be read")?;
            if setup.options.rotate_key {
                return rotate::run(setup, process, &desk).await;
            }
            setup.in_tenant(&desk, file).await
        }
        None if setup.options.rotate_key => {
            bail!(
                "there is neither QLIK_API_KEY nor an admin client: docs/setup.md tells how to change the key by hand"
            )
        }
        None => setup.by_hand(file),
    }
}

struct Setup {
    options: Options,
    known: ToSetUp,
    settings: Settings,
    clock: Clock,
}

impl Setup {
    fn wanted(&self, signing: Option<Signing>) -> Wanted {
        Wanted {
            tenant: self.known.tenant.origin.clone(),
            portal: self.known.portal.clone(),
            signing,
            web_integration: self.known.tenant.web_integration.clone(),
            uses_browser: self.known.uses_browser,
            groups: self.options.groups || self.known.maps_groups,
            oauth: self.options.oauth,
        }
    }

    fn signing(&self) -> anyhow::Result<Option<Signing>> {
        let place = &self.known.signing;
        let Some(key) = place.key.clone() else { return Ok(None) };
        let certificate = place
            .certificate
            .as_ref()
            .map(|file| std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display())));
        let made = Names::of(&key);
        let names = Names {
            issuer: place.issuer.clone().unwrap_or(made.issuer),
            key_id: place.key_id.clone().unwrap_or(made.key_id),
        };
        Ok(Some(Signing { key, certificate: certificate.transpose()?, names }))
    }

    fn key_step(&self, signing: Option<&Signing>) -> Step {
        match (signing, &self.known.signing.file) {
            (Some(signing), file) => {
                let place = file.as_ref().map_or("QLIK_JWT_PRIVATE_KEY".into(), |file| file.display().to_string());
                Step::here(Part::KeyPair, State::There, format!("{place}, {} bits", signing.key.bits()))
            }
            (None, file) => {
                let place = file.as_deref().unwrap_or(Path::new("")).display();
                Step::here(
                    Part::KeyPair,
                    State::Create,
                    format!("{place}, {} bits, and its certificate", self.options.bits),
                )
            }
        }
    }

    fn make_key(&self) -> anyhow::Result<Signing> {
        let file = self.known.signing.file.clone().unwrap_or_else(|| PathBuf::from(config::settings::DEFAULT_KEY_FILE));
        let certificate = pair::certificate_of(&file);
        let new = NewPair {
            private_key: &file,
            certificate: &certificate,
            bits: self.options.bits,
            days: pair::DAYS,
            common_name: pair::COMMON_NAME,
            force: false,
        };
        let made = pair::make(&new, self.clock.now())?;
        // Names that the settings have already are those of a provider for another key.
        let names = Names::of(&made.key);
        Ok(Signing { names, key: made.key, certificate: Some(made.certificate) })
    }

    /// Everything is looked at before anything is changed.
    async fn in_tenant(self, desk: &Desk, file: Option<EnvFile>) -> anyhow::Result<()> {
        let consent = Consent::of(self.options.yes);
        let signing = self.signing()?;
        let mut wanted = self.wanted(signing);
        let found = desk.look(&wanted).await?;
        let page = page::find(desk, &self.known, &self.options, file.is_some() && consent == Consent::Ask).await?;
        let first = plan(&wanted, &found, self.clock.now());
        let key = self.key_step(wanted.signing.as_ref());
        let settings = self.settings.step(&self.wishes(&first, first.web_integration.as_deref(), &page));
        let steps: Vec<&Step> = [&key].into_iter().chain(&first.steps).chain([&page.step, &settings]).collect();
        if self.options.json {
            println!("{:#}", tell::as_json(self.known.tenant.origin.as_str(), &steps));
            return Ok(());
        }
        tell::plan(self.known.tenant.origin.as_str(), &steps);
        let Some(mut file) = file else {
            tell::nothing_changed(&steps);
            return Ok(());
        };
        if consent == Consent::Nobody && steps.iter().any(|step| step.is_open()) {
            bail!("nothing was changed: there is no terminal to ask at; look at the plan and say --yes");
        }
        page.must_be_known()?;
        let mut answers = Answers::new(consent);
        if key.is_open() {
            if answers.ask(&key)? != Answer::Yes {
                bail!("nothing was changed: without a key pair there is nothing to set up");
            }
            let signing = self.make_key()?;
            tell::done(&key);
            wanted.signing = Some(signing);
        }
        let plan = plan(&wanted, &found, self.clock.now());
        let made = self.carry_out(desk, &plan, &wanted, &mut answers).await?;
        let mut wishes = self.wishes(&plan, made.web_integration.as_deref(), &page);
        wishes.retain(|(name, _)| made.provider || !name.starts_with("QLIK_JWT_"));
        self.settings.write(&mut file, &wishes, &mut answers, self.clock.now())?;
        made.end(&page)?;
        tell::next(&self.known);
        Ok(())
    }

    async fn carry_out(
        &self,
        desk: &Desk,
        plan: &Plan,
        wanted: &Wanted,
        answers: &mut Answers,
    ) -> anyhow::Result<Made> {
        let mut made = Made { web_integration: plan.web_integration.clone(), provider: true, left: 0 };
        for step in &plan.steps {
            if !step.is_open() && step.state != State::Stuck {
                continue;
            }
            if step.state == State::Stuck || answers.ask(step)? != Answer::Yes {
                made.left += 1;
                match step.part {
                    Part::IdentityProvider => made.provider = false,
                    // One that does not list our origin would only be in the way.
                    Part::WebIntegration => made.web_integration = None,
                    _ => {}
                }
                continue;
            }
            let answer = desk.carry_out(step, wanted).await?;
            tell::done(step);
            if step.part == Part::WebIntegration && step.state == State::Create {
                made.web_integration = match answer["id"].as_str() {
                    Some(id) => Some(id.to_owned()),
                    None => desk.plan(wanted).await?.web_integration,
                };
            }
        }
        Ok(made)
    }

    /// What the settings shall say.
    fn wishes(&self, plan: &Plan, web_integration: Option<&str>, page: &Page) -> Vec<Wish> {
        let makes = |part: Part| plan.steps.iter().any(|step| step.part == part && step.state == State::Create);
        let value = |known: Option<&str>, later: bool| match known {
            Some(known) => Value::Is(known.to_owned()),
            None if later => Value::Later,
            None => Value::Nothing,
        };
        let names = plan.names.as_ref();
        vec![
            ("QLIK_WEB_INTEGRATION_ID", value(web_integration, makes(Part::WebIntegration))),
            ("QLIK_APP_ID", value(page.app.as_deref(), false)),
            ("QLIK_SHEET_ID", value(page.sheet.as_deref(), false)),
            ("QLIK_JWT_ISSUER", value(names.map(|names| names.issuer.as_str()), true)),
            ("QLIK_JWT_KEY_ID", value(names.map(|names| names.key_id.as_str()), true)),
        ]
    }

    /// Without a right to administer the tenant: what can be done here is done here, and the rest is told.
    fn by_hand(self, file: Option<EnvFile>) -> anyhow::Result<()> {
        let consent = Consent::of(self.options.yes);
        let mut signing = self.signing()?;
        let key = self.key_step(signing.as_ref());
        let mut answers = Answers::new(consent);
        if let Some(mut file) = file {
            if consent == Consent::Nobody {
                bail!("nothing was changed: there is no terminal to ask at; say --yes");
            }
            let is_id = |app: &String| uuid::Uuid::try_parse(app).is_ok();
            if !self.options.app.as_ref().is_none_or(is_id) {
                bail!("nothing was changed: without a right to ask the tenant, --app has to be the app's id");
            }
            if key.is_open() && answers.ask(&key)? == Answer::Yes {
                signing = Some(self.make_key()?);
                tell::done(&key);
            }
            let names = signing.as_ref().map(|signing| &signing.names);
            let value = |known: Option<&String>| known.map_or(Value::Nothing, |known| Value::Is(known.clone()));
            let wishes = vec![
                ("QLIK_APP_ID", value(self.options.app.as_ref())),
                ("QLIK_SHEET_ID", value(self.options.sheet.as_ref())),
                ("QLIK_JWT_ISSUER", value(names.map(|names| &names.issuer))),
                ("QLIK_JWT_KEY_ID", value(names.map(|names| &names.key_id))),
            ];
            self.settings.write(&mut file, &wishes, &mut answers, self.clock.now())?;
        }
        let certificate = signing.as_ref().and_then(|signing| signing.certificate.as_deref());
        let by_hand = ByHand {
            tenant: self.known.tenant.origin.as_str(),
            portal: self.known.portal.as_str(),
            host: self.known.portal.authority(),
            key: signing.as_ref().map(|signing| (&signing.names, certificate)),
            uses_browser: self.known.uses_browser,
            groups: self.options.groups || self.known.maps_groups,
            oauth: self.options.oauth,
            page: !self.known.has_pages && (self.known.app.is_none() || self.known.sheet.is_none()),
        };
        println!("There is neither QLIK_API_KEY nor an admin client, so these steps are yours.\n{by_hand}");
        Ok(())
    }
}

/// What became of the plan.
struct Made {
    web_integration: Option<String>,
    /// Whether the tenant has an identity provider for our key.
    provider: bool,
    /// How many steps were not carried out.
    left: usize,
}

impl Made {
    fn end(&self, page: &Page) -> anyhow::Result<()> {
        match self.left {
            0 => page.end(),
            1 => bail!("one step is left: see above; run this again when it can be done"),
            left => bail!("{left} steps are left: see above; run this again when they can be done"),
        }
    }
}
