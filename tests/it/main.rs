//! Behaviour, through the real router, the real binary and real browsers; a file per behaviour.

mod access_token;
mod admin;
mod audit;
mod binary;
mod browser;
mod cluster;
mod components;
mod config;
mod data;
mod denied;
mod deploy;
mod docs;
mod doctor;
mod flow;
mod hand_over;
mod header;
mod headers;
mod identity;
mod keygen;
mod limits;
mod mapping;
mod metrics;
mod mixing;
mod oidc;
mod packages;
mod pages;
mod passage;
mod portal;
mod provider;
mod proxied;
mod relay;
mod scripts;
mod servers;
mod sessions;
mod setup;
mod sign_in;
mod store;
mod subjects;
mod tenant;
mod tenant_session;
mod ticket;
mod token;
mod token_endpoint;
mod traces;

/// Lets real time pass: for what keeps real time, as memory and other programs do.
pub async fn outlast(time: std::time::Duration) {
    tokio::time::sleep(time).await;
}
