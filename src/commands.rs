//! What the binary does, one file a command.

pub mod config;
pub mod demo;
pub mod doctor;
pub mod health;
pub mod identity;
pub mod keygen;
pub mod migrate;
pub mod serve;
pub mod setup;
pub mod subjects;
pub mod token;
pub mod users;
