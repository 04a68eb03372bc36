//! The product in a real Chromium, with the simulated tenant as the far side: what visitors see, file by file what about.
//!
//! Each test has a portal, a tenant, a driver and a browser of its own, all on loopback. Waits are bounded and end with
//! the event. Pictures for the README are left in `target/screenshots`.

mod access;
mod admin;
mod audit;
mod components;
pub mod cookies;
mod disconnects;
mod failures;
mod gallery;
mod newcomers;
mod oidc;
mod pages;
mod proxied;
mod proxy;
mod runtime;
mod scene;
mod set_up;
mod sheet;
mod sign_in;
mod tickets;
mod window;
