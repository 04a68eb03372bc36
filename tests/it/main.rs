//! Behaviour, through the real router, the real binary and real browsers; a file per behaviour.

mod audit;
mod binary;
mod browser;
mod config;
mod denied;
mod docs;
mod header;
mod headers;
mod identity;
mod keygen;
mod mapping;
mod mixing;
mod oidc;
mod packages;
mod pages;
mod portal;
mod provider;
mod scripts;
mod sessions;
mod sign_in;
mod subjects;
mod tenant;
mod tenant_session;
mod ticket;
mod token;
mod token_endpoint;
