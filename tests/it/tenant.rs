//! The simulated tenant, held against the Qlik Cloud facts through real HTTP and websockets: a double is worth what its
//! own tests prove. Where the facts say "inferred" or "unknown", both positions of the switch are tried.

mod admin;
mod bearer;
mod clients;
mod engine;
mod faults;
mod login;
mod oauth;
mod origins;
mod page;
mod people;
mod pitfalls;
mod session;
mod site;
