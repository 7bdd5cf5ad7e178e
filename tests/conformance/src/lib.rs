//! Runs NIST testplans as data against a running server, over its own protocols. It knows the
//! server only from outside, and takes any directory of testplans.

#![warn(missing_docs)]

mod dom;
mod ebrim3;
mod envelope;
mod judge;
mod memory;
mod plan;
mod run;
mod substitute;
mod transact;

pub use plan::{CLIENTS, Test, Tests};
pub use run::{Config, Outcome, Report, Runner, Verdict};
