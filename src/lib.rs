//! Embeds Qlik Cloud sheets in a company's portal, without a second login.
pub mod clock;
pub mod identity;
pub mod mapping;
pub mod origin;
pub mod pages;
pub mod qlik;
