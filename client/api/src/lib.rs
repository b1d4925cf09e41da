//! What a face of Talaria asks for and is told, and the words for people.
//!
//! A face is whatever a person or a program talks through: a screen, a pipe, a window. Here are
//! names and numbers, no keys and no protocol, so that a face builds without them.

pub mod budget;
mod event;
mod request;
pub mod socket;
pub mod tame;
mod text;
mod token;
pub mod words;

pub use event::{Code, Event, Outcome, Presence, Stage, Trouble, Trust, Way};
pub use request::Request;
pub use text::Text;
pub use token::Token;
