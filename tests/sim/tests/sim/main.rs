//! Scenarios of whole networks, each for several seeds.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod attacks;
mod budget;
mod departures;
mod faults;
mod noise;
mod order;
mod privacy_budget;
mod restarts;
mod rogue_clients;
mod suspended;
mod talk;
mod versions;
