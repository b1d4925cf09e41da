//! What a client tells the person in front of it.

use talaria_wire::Round;
use talaria_wire::peer_message::MessageId;
use talaria_wire::reason::Pause;

use crate::conversation::budget::{BudgetStage, Causes};
use crate::conversation::state::Text;
use crate::loss::{Loss, RoundEnd};
use talaria_wire::identity::UserName;

/// Something worth knowing. `docs/events.md` describes the same as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The entry has answered the greeting: rounds will follow.
    Ready {
        /// Texts that the partner is not known to have yet.
        unacknowledged: usize,
    },
    /// A round has come back, or will not.
    Round {
        /// The round.
        round: Round,
        /// How it ended for this client.
        end: RoundEnd,
        /// Milliseconds from the departure of its submission to its replies.
        latency_ms: u64,
    },
    /// A text has been committed, and will be sent until it is delivered.
    Sent {
        /// The text.
        id: MessageId,
    },
    /// The partner has a text, and has committed it.
    Delivered {
        /// The text.
        id: MessageId,
        /// The round of the message that said so.
        round: Round,
    },
    /// A part of a long text has come through.
    Progress {
        /// The text.
        id: MessageId,
        /// Whose it is.
        way: Way,
        /// Fragments that have arrived.
        have: u16,
        /// Fragments in all.
        count: u16,
    },
    /// The partner has said something. Call [`Client::shown`](crate::Client::shown) after it has
    /// been shown.
    Message {
        /// The text's number among the partner's.
        id: MessageId,
        /// Who said it.
        from: UserName,
        /// What was said: it may hold any character, and has to be tamed before it is printed.
        text: Text,
        /// The round in which it was complete.
        round: Round,
        /// When it was written, by the partner's clock, in milliseconds since the Unix epoch.
        sent_ms: u64,
        /// What to call [`Client::shown`](crate::Client::shown) with.
        number: u32,
    },
    /// The partner has come, gone, or has nothing more to say.
    Partner {
        /// What is new.
        presence: Presence,
        /// The round in which it was noticed.
        round: Round,
    },
    /// Somebody on the way has lost or changed something.
    Interference {
        /// The round.
        round: Round,
        /// What it was.
        kind: Interference,
        /// How often this kind was seen since the client was made, this time included.
        times: u64,
    },
    /// The privacy budget of the conversation is half used up, or spent.
    Budget {
        /// How far it has come.
        stage: BudgetStage,
        /// Rounds that were charged.
        charged: u64,
        /// Rounds that the goal of the network holds for.
        budget: u64,
        /// Why those of this run were.
        causes: Causes,
    },
    /// Rounds were lost one after the other, all in the same way; said once until that changes.
    RoundsLost {
        /// For whom.
        loss: Loss,
        /// How many so far.
        rounds: u64,
    },
    /// An announcement does not fit the local clock: the round is left out.
    Clock {
        /// The round that was announced.
        round: Round,
        /// Milliseconds by which the announced round lies ahead of the local clock; negative if
        /// it lies behind.
        ahead_ms: i64,
    },
    /// No round opens, so nothing is sent or received until the next one does; said once until then.
    Paused {
        /// Why.
        reason: Pause,
    },
    /// The partner knows another story than this home: one of the two works with an old copy of its
    /// files, or with one of two copies. What is not acknowledged is sent in a new stream.
    OutOfStep,
    /// Texts that were delivered, and that the partner may not have any more. Told once more when the
    /// conversation is opened, until they are sent again.
    MayBeLost {
        /// Those that can be sent again ([`Client::again`](crate::Client::again)), oldest first.
        ids: Vec<MessageId>,
        /// And all that are older, which are not remembered here.
        older: bool,
    },
    /// What may have been lost is sent again.
    SentAgain {
        /// All of it, oldest first.
        ids: Vec<MessageId>,
    },
    /// The conversation is over, and nothing of it is under way.
    Finished,
}

/// Whose text it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// One's own.
    Sending,
    /// The partner's.
    Receiving,
}

/// What is known of the partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Is there.
    Present,
    /// Was not met for several rounds.
    Absent,
    /// Has nothing more to say, but still listens.
    Ended,
    /// Has said that it ends, and was not met since.
    Left,
}

/// Signs of somebody who drops or changes onions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interference {
    /// The two onions of an idle lane did not meet each other.
    IdlePairUnmet {
        /// The lane.
        lane: u8,
    },
    /// A reply was not sealed by the whole chain.
    BadReply {
        /// The onion that it should belong to.
        slot: u8,
    },
    /// What came back from the partner's dead drop is not from the partner.
    NotAuthentic {
        /// The onion.
        slot: u8,
    },
}
