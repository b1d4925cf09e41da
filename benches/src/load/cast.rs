//! Who of the clients is there.

use super::connection::ConnectionError;

/// All clients, connected or not.
#[derive(Debug)]
pub(super) struct Cast {
    alive: Vec<bool>,
    /// Clients that could not connect.
    pub(super) refused: usize,
    /// Clients whose connection broke.
    pub(super) lost: usize,
    /// Why the first of them did.
    pub(super) first_error: Option<String>,
}

impl Cast {
    /// Clients of whom nobody is there yet.
    pub(super) fn new(clients: usize) -> Self {
        Self { alive: vec![false; clients], refused: 0, lost: 0, first_error: None }
    }

    pub(super) fn join(&mut self, client: usize) {
        self.alive[client] = true;
    }

    pub(super) fn refuse(&mut self, error: &ConnectionError) {
        self.refused += 1;
        self.remember(error);
    }

    pub(super) fn lose(&mut self, client: usize, error: &ConnectionError) {
        self.alive[client] = false;
        self.lost += 1;
        self.remember(error);
    }

    /// Of every client, whether it is connected now.
    pub(super) fn alive(&self) -> &[bool] {
        &self.alive
    }

    /// Clients that are connected now.
    pub(super) fn connected(&self) -> usize {
        self.alive.iter().filter(|alive| **alive).count()
    }

    fn remember(&mut self, error: &ConnectionError) {
        self.first_error.get_or_insert_with(|| error.to_string());
    }
}
