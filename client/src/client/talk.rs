//! The one conversation of a client that is open.

use talaria_wire::crypto::IdentityPublic;

use crate::conversation::Conversation;
use crate::session::Session;

/// The one open conversation.
pub(super) struct Talk {
    pub(super) session: Session,
    pub(super) conversation: Conversation,
    pub(super) partner: IdentityPublic,
}
