//! Behaviour, through the real router, the real binary and real browsers; a file per behaviour.

mod binary;
mod browser;
mod config;
mod docs;
mod headers;
mod keygen;
mod pages;
mod portal;
mod scripts;
mod sessions;
mod sign_in;
mod tenant;
mod ticket;
mod token;
mod token_endpoint;
