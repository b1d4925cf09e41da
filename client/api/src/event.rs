//! What a face is told. `docs/events.md` shows each as JSON.

use serde::{Deserialize, Serialize};

use crate::budget::Causes;
use crate::text::Text;
use crate::token::Token;

/// What a face is told. A conversation is called by the partner's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// Who is talked to, and how well their key is known.
    Contact {
        /// Who.
        name: String,
        /// How well.
        trust: Trust,
        /// Sixty digits, to be compared with what the contact sees.
        safety_number: String,
        /// The key has changed, and the one before had been compared.
        #[serde(default, skip_serializing_if = "is_false")]
        compared_before: bool,
        /// Which conversation.
        conversation: String,
    },
    /// The server has answered the greeting, and rounds follow.
    Ready {
        /// Who is talked to.
        partner: String,
        /// Texts that the partner is not known to have yet.
        unacknowledged: u64,
        /// Which conversation.
        conversation: String,
    },
    /// A round has come back, or will not.
    Round {
        /// Its number.
        round: u64,
        /// How it ended for this client.
        outcome: Outcome,
        /// From the departure of its submission to its replies.
        latency_ms: u64,
    },
    /// A text is durable, and will be sent until it is delivered.
    Sent {
        /// The text's number among one's own.
        id: u32,
        /// Which conversation.
        conversation: String,
        /// How the face that is told has called it; other faces get none.
        #[serde(skip_serializing_if = "Option::is_none")]
        token: Option<Token>,
    },
    /// The partner has a text, durably.
    Delivered {
        /// The text.
        id: u32,
        /// The round of the message that said so.
        round: u64,
        /// Which conversation.
        conversation: String,
    },
    /// Texts that were delivered, and that the partner may not have any more: one of the two homes is
    /// an old copy. Told once more with each start until they are sent again.
    MayBeLost {
        /// Those that [`Request::Again`](crate::Request::Again) sends again, oldest first.
        ids: Vec<u32>,
        /// And all that are older, which are not remembered.
        older: bool,
        /// The same for people.
        message: String,
        /// Which conversation.
        conversation: String,
    },
    /// What may have been lost is sent again.
    SentAgain {
        /// All of it, oldest first.
        ids: Vec<u32>,
        /// Which conversation.
        conversation: String,
    },
    /// A part of a long text has come through.
    Progress {
        /// The text.
        id: u32,
        /// Whose it is.
        way: Way,
        /// Parts that have arrived.
        have: u16,
        /// Parts in all.
        count: u16,
        /// Which conversation.
        conversation: String,
    },
    /// The partner has said something: ask
    /// [`Request::Shown`](crate::Request::Shown) once it has been shown.
    Message {
        /// The text's number among the partner's.
        id: u32,
        /// Who said it.
        from: String,
        /// What was said.
        text: Text,
        /// The round in which it was complete.
        round: u64,
        /// When it was written, by the partner's clock, since the Unix epoch.
        sent_ms: u64,
        /// Which conversation.
        conversation: String,
        /// What to ask `Shown` with.
        number: u32,
    },
    /// A message of which nobody knows whether it was shown before a kill.
    Repeated {
        /// As in [`Event::Message`].
        id: u32,
        /// As there.
        from: String,
        /// As there.
        text: Text,
        /// As there.
        round: u64,
        /// As there.
        sent_ms: u64,
        /// Which conversation.
        conversation: String,
    },
    /// The partner has come, gone, or has nothing more to say.
    Partner {
        /// What is new.
        state: Presence,
        /// The round in which it was noticed.
        round: u64,
        /// Which conversation.
        conversation: String,
    },
    /// Something is wrong, or has been put right.
    Error(Trouble),
    /// The privacy budget of the conversation is half used up, or spent.
    Budget {
        /// How far it has come.
        state: Stage,
        /// Rounds that were charged.
        charged: u64,
        /// Rounds that the goal of the network holds for.
        budget: u64,
        /// The same for people.
        message: String,
        /// Which conversation.
        conversation: String,
        /// Why rounds were charged in this run.
        #[serde(default)]
        causes: Causes,
    },
    /// The conversation is over, and nothing of it is under way.
    Finished {
        /// Texts that the partner is not known to have.
        unacknowledged: u64,
        /// Which conversation.
        conversation: String,
    },
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trouble {
    /// For programs.
    pub code: Code,
    /// For people.
    pub message: String,
    /// Nothing more follows.
    pub fatal: bool,
    /// The round that it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round: Option<u64>,
    /// The line of input that it concerns, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// How often the same was seen in this run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// The conversation that it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// The request of this face that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
}

impl Trouble {
    /// Something after which one goes on.
    #[must_use]
    pub fn new(code: Code, message: String) -> Self {
        let (round, line, times, conversation, token) = (None, None, None, None, None);
        Self { code, message, fatal: false, round, line, times, conversation, token }
    }
}

/// What kind of trouble it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// There is no connection; the next attempt follows.
    Disconnected,
    /// Onions were lost or altered.
    Interference,
    /// A round does not fit the local clock.
    Clock,
    /// The server opens no rounds for now.
    Paused,
    /// Rounds were lost one after the other.
    RoundsLost,
    /// Partner and home do not agree on what was said.
    OutOfStep,
    /// A line of input cannot be sent.
    Line,
    /// A request was not taken.
    Refused,
    /// The partner's new key was accepted.
    KeyAccepted,
    /// The partner takes no part in the network any more.
    PartnerGone,
    /// The identity service contradicts itself.
    Directory,
    /// The directory has not been signed anew for a while.
    DirectoryStale,
    /// Nothing is said until the identity service has written down that more may be charged.
    Unrecorded,
    /// The face was too slow, and is told nothing more.
    FellBehind,
    /// The time that was given is over.
    Timeout,
    /// A signal has ended the program.
    Interrupted,
    /// The program cannot go on.
    Fatal,
}

/// How well a key is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// Nobody here has talked to them.
    New,
    /// Nobody has compared the safety number.
    Unverified,
    /// It was compared.
    Verified,
    /// It is not the one that was known.
    Changed,
}

/// How a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// With replies.
    Delivered,
    /// Without this client, the entry says: its submission came after the round had closed.
    Late,
    /// It was lost for everybody, the entry says.
    Failed,
    /// Nobody has said anything.
    Unanswered,
}

/// Whose text it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// One's own.
    Sending,
    /// The partner's.
    Receiving,
}

/// What is known of the partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

/// How much of a budget is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Half of it.
    Half,
    /// All of it, and nothing is sent to the partner.
    Spent,
    /// All of it, and the conversation goes on.
    Beyond,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands references")]
fn is_false(value: &bool) -> bool {
    !value
}
