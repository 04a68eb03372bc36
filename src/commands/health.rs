//! `health`: whether the server of this configuration is ready, for containers whose image has no other program to ask.

use std::time::Duration;

use anyhow::{Context, bail};

use crate::client;
use crate::config::{self, Env, OwnAddress};

/// Longer than the server takes to find out that its store does not answer would tell nobody more.
const PATIENCE: Duration = Duration::from_secs(4);

/// Asks `/readyz` at the address of `LISTEN`, on this machine.
///
/// # Errors
/// When `LISTEN` is no address, the server does not answer, or says that it is not ready.
pub async fn run(env: &Env) -> anyhow::Result<()> {
    let OwnAddress { address, tls } = config::load_own_address(env)?;
    let scheme = if tls { "https" } else { "http" };
    let answer = client::to_ourselves(PATIENCE)?.get(format!("{scheme}://{address}/readyz")).send().await;
    let answer = answer.map_err(client::cause).map_err(anyhow::Error::msg);
    let answer = answer.with_context(|| format!("the server at {scheme}://{address} does not answer"))?;
    let status = answer.status();
    let says = answer.text().await.unwrap_or_default();
    if !status.is_success() {
        bail!("the server at {scheme}://{address} is not ready: {status}, {says}");
    }
    println!("{says}");
    Ok(())
}
