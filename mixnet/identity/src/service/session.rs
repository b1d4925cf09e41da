//! What the service remembers of a connection between two requests.

use chacha20::ChaCha20Rng;
use talaria_opaque::PendingLogin;
use talaria_wire::identity::Refusal;
use talaria_wire::identity::UserName;
use talaria_wire::identity::proof::EXPORTER_LEN;

use super::failure::Failure;
use crate::limits::Origin;
use crate::store::{Credential, User};
use crate::token::TokenHash;

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Where it is.
    pub origin: Origin,
    /// The value of the TLS exporter, to which renewals and records of ledgers are bound.
    pub exporter: [u8; EXPORTER_LEN],
}

/// A connection.
#[derive(Debug)]
pub struct Session {
    pub(super) peer: Peer,
    pub(super) rng: ChaCha20Rng,
    phase: Phase,
}

/// What has been begun, and what is proven. Every message of OPAQUE is taken once, where it belongs.
#[derive(Debug, Default)]
pub(super) enum Phase {
    /// Nothing.
    #[default]
    Fresh,
    /// A registration has begun.
    Registering { name: UserName, token: Option<TokenHash> },
    /// A login has begun; without a user there is nobody of this name.
    LoggingIn { name: UserName, pending: Box<PendingLogin>, user: Option<Box<User>> },
    /// The user is who they say they are.
    LoggedIn(Login),
    /// The same, and a change of the password has begun.
    ChangingPassword(Login),
}

/// Who is logged in, as long as nothing has changed of what they logged in with.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) name: UserName,
    pub(super) credential: Credential,
}

impl Login {
    /// After a change of its own.
    pub(super) fn raised(self) -> Self {
        Self { credential: self.credential.next(), ..self }
    }
}

impl Session {
    /// A new connection, with randomness of its own.
    #[must_use]
    pub fn new(peer: Peer, rng: ChaCha20Rng) -> Self {
        Self { peer, rng, phase: Phase::Fresh }
    }

    /// Takes what has been begun: whatever the next message is, it cannot be continued twice.
    pub(super) fn take(&mut self) -> Phase {
        std::mem::take(&mut self.phase)
    }

    pub(super) fn enter(&mut self, phase: Phase) {
        self.phase = phase;
    }

    /// Who has logged in; whether that still holds only the store knows.
    pub(super) fn login(&self) -> Result<Login, Failure> {
        match &self.phase {
            Phase::LoggedIn(login) => Ok(login.clone()),
            _ => Err(Refusal::BadRequest.into()),
        }
    }
}
