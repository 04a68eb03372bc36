//! Embeds Qlik Cloud sheets in a company's portal, without a second login: a backend-for-frontend that renders the embed
//! page, signs the tokens that its script hands to the tenant, and maps the portal's people to Qlik's.
//!
//! # The house
//!
//! Imports point down, never up, and never between [`auth`] and [`qlik`].
//!
//! | floor | rooms |
//! |---|---|
//! | 9 | [`commands`]: what the binary does, a file a command |
//! | 8 | [`web`]: the route table, the layers, the handlers, one answer per failure |
//! | 7 | [`app`]: everything that a handler may need; below it, [`admin`]: what administrators may ask, [`doctor`]: what is wrong, [`setup`]: what has to be in the tenant |
//! | 6 | [`config`]: checked settings, or every problem at once · [`data`]: what an app has, without a chart |
//! | 5 | [`tenant_session`]: the tenant's sessions, kept for our visitors · [`access_token`]: their access tokens; below both, [`errand`]: what the tenant is asked for |
//! | 4 | [`subjects`]: who an identity is to Qlik, and whose a subject is · [`proxy`]: what passes between browser and tenant |
//! | 3 | [`auth`]: who the visitor is · [`qlik`]: the tenant, the key, the tokens; below both, [`limits`]: how often |
//! | 2 | [`store`]: what must be remembered · [`mapping`]: from identity to subject · [`pages`]: what there is to see · [`audit`]: what happened |
//! | 1 | [`identity`]: the people · [`origin`]: the places · [`clock`]: the time · [`client`]: calls to others · [`advice`]: what answers mean · [`metrics`]: what is counted · [`traces`]: where time goes |
//!
//! Apart stands [`demo`], a simulated tenant. It imports nothing of ours, so that it cannot share our mistakes; only the
//! command of that name and the tests know it.
//!
//! # A request for the sheet
//!
//! `GET /embed/default` passes the layers in [`web::front`], is let in by `web::visitor::SignedIn` (or led to `/login`),
//! and becomes a page whose `data-*` attributes tell the script where the tenant is. The script asks the tenant who is
//! signed in there; when it is nobody, or somebody else, it fetches `GET /token/default`: [`subjects`] names the subject,
//! [`qlik::token`] signs, and the tenant exchanges the token for its own session. Then the sheet's frame is mounted.

pub mod access_token;
pub mod admin;
pub mod advice;
pub mod app;
pub mod audit;
pub mod auth;
pub mod client;
pub mod clock;
pub mod commands;
pub mod config;
pub mod data;
pub mod demo;
pub mod doctor;
pub mod errand;
pub mod identity;
pub mod limits;
pub mod mapping;
pub mod metrics;
pub mod origin;
pub mod pages;
pub mod proxy;
pub mod qlik;
pub mod setup;
pub mod store;
pub mod subjects;
pub mod tenant_session;
pub mod traces;
pub mod web;
