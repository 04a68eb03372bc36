//! Several instances behind nginx, which takes them in turn: they are one to the visitor, with each store, and whatever happens to
//! one of them.

mod keys;
pub mod load;
mod losses;
mod one;
mod outages;
mod stage;
pub mod visitor;
