//! The client of Talaria as a library.
