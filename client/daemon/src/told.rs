//! From what a run tells to what faces are told.

use talaria_api::budget::{Causes, Directory, Goal, Protection, Status};
use talaria_api::words::{self, Interference as Sign, Lost};
use talaria_api::{self as api, Code, Outcome, Presence, Stage, Text, Token, Trouble, Trust, Way};
use talaria_client::conversation::state::Received;
use talaria_client::{Budget, BudgetStage, Interference, Loss, Notice, RoundEnd, SafetyNumber};
use talaria_store::{Home, HomeError};
use talaria_wire::Round;
use talaria_wire::identity::UserName;
use talaria_wire::identity::directory::HEAD_LEN;
use talaria_wire::peer_message::MessageId;

use crate::clock::now;
use crate::run::{Asked, Event};

/// Something to be told, and who has asked for it.
pub(crate) struct Told {
    event: api::Event,
    asked: Option<Asked>,
}

impl Told {
    /// What a run with `partner` tells.
    pub(crate) fn new(event: &Event, partner: &str) -> Self {
        let asked = match event {
            Event::Sent { asked, .. } => *asked,
            Event::Refused(_, asked) | Event::KeyAccepted(asked) => Some(*asked),
            _ => None,
        };
        Self { event: from_run(event, partner), asked }
    }

    /// For a face: tokens are nobody's but the one's who asked, and so are refusals.
    pub(crate) fn to_face(&self, face: u64) -> Option<api::Event> {
        let own = self.asked.filter(|asked| asked.face == face).map(|asked| asked.token);
        let mut event = self.event.clone();
        match &mut event {
            api::Event::Error(trouble) if trouble.code == Code::Refused => {
                trouble.token = Some(own?);
            }
            api::Event::Sent { token, .. } | api::Event::Error(Trouble { token, .. }) => {
                *token = own;
            }
            _ => {}
        }
        Some(event)
    }
}

/// What a face is told of a request that cannot be taken.
pub(crate) fn refusal(message: String, conversation: &str, token: Option<Token>) -> api::Event {
    let conversation = Some(conversation.to_owned());
    let refused = Trouble::new(Code::Refused, message);
    api::Event::Error(Trouble { conversation, token, ..refused })
}

/// Who is talked to.
#[must_use]
pub fn contact(name: &UserName, trust: talaria_client::Trust, number: &SafetyNumber) -> api::Event {
    use talaria_client::Trust::{Changed, New, Unverified, Verified};
    api::Event::Contact {
        name: name.to_string(),
        trust: match trust {
            New => Trust::New,
            Unverified => Trust::Unverified,
            Verified => Trust::Verified,
            Changed { .. } => Trust::Changed,
        },
        safety_number: number.digits(),
        compared_before: matches!(trust, Changed { verified: true, .. }),
        conversation: name.to_string(),
    }
}

/// A message that may have been shown when an earlier run was killed.
pub(crate) fn repeated(received: &Received, partner: &str) -> api::Event {
    api::Event::Repeated {
        id: received.id.0,
        from: partner.to_owned(),
        text: Text(received.text.as_str().to_owned()),
        round: received.round.0,
        sent_ms: received.sent_ms,
        conversation: partner.to_owned(),
    }
}

/// What the noise of the home's network is worth, and what its conversations have used.
///
/// # Errors
/// [`HomeError`] if the home cannot be read.
pub fn status(home: &mut Home) -> Result<Status, HomeError> {
    let known = home.known_network()?;
    let terms = known.terms();
    let budget = Budget::of(&terms.noise);
    let mut charged = Vec::new();
    for (contact, _) in home.contacts()? {
        let (rounds, at) = home.charged(&contact.key)?;
        let each = budget.price().map(|now| at.unwrap_or(now).rounds_for(now));
        charged.push((contact.name.to_string(), rounds, each));
    }
    let unmet = home.idle_pairs_unmet()?;
    let (name, noise) = (terms.name.clone(), terms.noise.onions);
    let protection = protection(budget);
    let status = Status::new(name, noise, protection, unmet, charged);
    Ok(Status { directory: directory(home)?, earlier_homes: home.has_earlier()?, ..status })
}

/// How far the copy of the directory has come, and whether it is one.
fn directory(home: &mut Home) -> Result<Directory, HomeError> {
    let contradiction = home.contradiction()?;
    let copy = home.directory()?;
    let age_s = copy.head().map(|head| head.age_s(now().0 / 1000));
    let bytes = contradiction.map(|heads| heads.to_bytes());
    let hex = |bytes: [u8; 2 * HEAD_LEN]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Directory { entries: copy.entries(), age_s, contradiction: bytes.map(hex) })
}

fn protection(budget: Budget) -> Protection {
    match budget {
        Budget::NoNoise => Protection::NoNoise,
        Budget::NoGoal => Protection::NoGoal,
        Budget::Goal(goal) => Protection::Goal(Goal {
            epsilon_millionths: goal.epsilon_millionths,
            delta_billionths: goal.delta_billionths,
            charged_rounds: goal.charged_rounds,
        }),
    }
}

fn from_run(event: &Event, partner: &str) -> api::Event {
    let conversation = || partner.to_owned();
    let trouble = |code, message| {
        let conversation = Some(conversation());
        api::Event::Error(Trouble { conversation, ..Trouble::new(code, message) })
    };
    match event {
        Event::Notice(notice) => from_notice(notice, partner),
        Event::Sent { id, .. } => {
            api::Event::Sent { id: id.0, conversation: conversation(), token: None }
        }
        Event::Refused(error, _) => trouble(Code::Refused, error.to_string()),
        Event::KeyChanged { number, verified } => api::Event::Contact {
            name: partner.to_owned(),
            trust: Trust::Changed,
            safety_number: number.digits(),
            compared_before: *verified,
            conversation: conversation(),
        },
        Event::KeyAccepted(_) => trouble(Code::KeyAccepted, words::describe_key_accepted(partner)),
        Event::PartnerGone(why) => trouble(Code::PartnerGone, why.clone()),
        Event::Directory(why) => api::Event::Error(Trouble::new(Code::Directory, why.clone())),
        Event::DirectoryStale { age_s } => {
            let message = words::describe_stale_directory(*age_s);
            api::Event::Error(Trouble::new(Code::DirectoryStale, message))
        }
        Event::Unrecorded => trouble(Code::Unrecorded, words::describe_unrecorded(partner)),
        Event::Disconnected { reason, .. } => {
            api::Event::Error(Trouble::new(Code::Disconnected, reason.clone()))
        }
    }
}

fn from_notice(notice: &Notice, partner: &str) -> api::Event {
    let conversation = partner.to_owned();
    match notice {
        Notice::Ready { unacknowledged } => api::Event::Ready {
            partner: partner.to_owned(),
            unacknowledged: *unacknowledged as u64,
            conversation,
        },
        Notice::Round { round, end, latency_ms } => {
            api::Event::Round { round: round.0, outcome: outcome_of(*end), latency_ms: *latency_ms }
        }
        Notice::Sent { id } => api::Event::Sent { id: id.0, conversation, token: None },
        Notice::Delivered { id, round } => {
            api::Event::Delivered { id: id.0, round: round.0, conversation }
        }
        Notice::MayBeLost { ids, older } => {
            let message = words::describe_may_be_lost(ids.len(), *older);
            api::Event::MayBeLost { ids: numbers(ids), older: *older, message, conversation }
        }
        Notice::SentAgain { ids } => api::Event::SentAgain { ids: numbers(ids), conversation },
        Notice::Progress { id, way, have, count } => {
            let way = way_of(*way);
            api::Event::Progress { id: id.0, way, have: *have, count: *count, conversation }
        }
        Notice::Message { id, from, text, round, sent_ms, number } => api::Event::Message {
            id: id.0,
            from: from.to_string(),
            text: Text(text.as_str().to_owned()),
            round: round.0,
            sent_ms: *sent_ms,
            conversation,
            number: *number,
        },
        Notice::Partner { presence, round } => {
            api::Event::Partner { state: presence_of(*presence), round: round.0, conversation }
        }
        Notice::Finished => api::Event::Finished { unacknowledged: 0, conversation },
        Notice::Budget { stage, charged, budget, causes } => {
            budget_event(stage_of(*stage), (*charged, *budget), causes_of(causes), conversation)
        }
        Notice::Interference { round, kind, times } => interference(*round, *kind, *times),
        Notice::RoundsLost { loss, rounds } => rounds_lost(*loss, *rounds),
        Notice::Clock { round, ahead_ms } => clock(*round, *ahead_ms),
        Notice::Paused { reason } => {
            let message = words::describe_pause(&reason.to_string());
            api::Event::Error(Trouble::new(Code::Paused, message))
        }
        Notice::OutOfStep => {
            let trouble = Trouble::new(Code::OutOfStep, words::describe_out_of_step());
            api::Event::Error(Trouble { conversation: Some(conversation), ..trouble })
        }
    }
}

fn numbers(ids: &[MessageId]) -> Vec<u32> {
    ids.iter().map(|id| id.0).collect()
}

fn budget_event(
    state: Stage,
    (charged, budget): (u64, u64),
    causes: Causes,
    conversation: String,
) -> api::Event {
    let message = words::describe_budget(state, charged, budget, &causes);
    api::Event::Budget { state, charged, budget, message, conversation, causes }
}

fn interference(round: Round, kind: Interference, times: u64) -> api::Event {
    let message = words::describe_interference(round.0, sign_of(kind), times);
    let trouble = Trouble::new(Code::Interference, message);
    api::Event::Error(Trouble { round: Some(round.0), times: Some(times), ..trouble })
}

fn rounds_lost(loss: Loss, rounds: u64) -> api::Event {
    let message = words::describe_lost(lost_of(loss), rounds);
    let trouble = Trouble::new(Code::RoundsLost, message);
    api::Event::Error(Trouble { times: Some(rounds), ..trouble })
}

fn clock(round: Round, ahead_ms: i64) -> api::Event {
    let trouble = Trouble::new(Code::Clock, words::describe_clock(round.0, ahead_ms));
    api::Event::Error(Trouble { round: Some(round.0), ..trouble })
}

fn stage_of(stage: BudgetStage) -> Stage {
    match stage {
        BudgetStage::Half => Stage::Half,
        BudgetStage::Spent => Stage::Spent,
        BudgetStage::Beyond => Stage::Beyond,
    }
}

fn causes_of(causes: &talaria_client::Causes) -> Causes {
    let talaria_client::Causes { unmet, own, everybody, unknown } = *causes;
    Causes { unmet, late: own, failed: everybody, unanswered: unknown }
}

fn outcome_of(end: RoundEnd) -> Outcome {
    match end {
        RoundEnd::Delivered => Outcome::Delivered,
        RoundEnd::Lost(Loss::Own) => Outcome::Late,
        RoundEnd::Lost(Loss::Everybody) => Outcome::Failed,
        RoundEnd::Lost(Loss::Unknown) => Outcome::Unanswered,
    }
}

fn lost_of(loss: Loss) -> Lost {
    match loss {
        Loss::Own => Lost::Alone,
        Loss::Everybody => Lost::Everybody,
        Loss::Unknown => Lost::Unknown,
    }
}

fn way_of(way: talaria_client::Way) -> Way {
    match way {
        talaria_client::Way::Sending => Way::Sending,
        talaria_client::Way::Receiving => Way::Receiving,
    }
}

fn presence_of(presence: talaria_client::Presence) -> Presence {
    match presence {
        talaria_client::Presence::Present => Presence::Present,
        talaria_client::Presence::Absent => Presence::Absent,
        talaria_client::Presence::Ended => Presence::Ended,
        talaria_client::Presence::Left => Presence::Left,
    }
}

fn sign_of(kind: Interference) -> Sign {
    match kind {
        Interference::IdlePairUnmet { .. } => Sign::IdlePairUnmet,
        Interference::BadReply { .. } => Sign::BadReply,
        Interference::NotAuthentic { .. } => Sign::NotAuthentic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use talaria_api::socket;
    use talaria_client::SayError;
    use talaria_wire::peer_message::MessageId;

    fn line(notice: Notice) -> String {
        let told = Told::new(&Event::Notice(notice), "bob").to_face(1).unwrap();
        let mut line = Vec::new();
        socket::write_line(&told, &mut line).unwrap();
        String::from_utf8(line).unwrap().trim_end().to_owned()
    }

    #[test]
    fn events_are_objects_with_the_kind_first_and_new_fields_last() {
        let (id, round) = (MessageId(3), Round(9));
        let message = Notice::Message {
            id,
            from: UserName::new("bob").unwrap(),
            text: talaria_client::Text::new("a\n\"b\"").unwrap(),
            round,
            sent_ms: 5,
            number: 1,
        };
        assert_eq!(
            line(message),
            r#"{"event":"message","id":3,"from":"bob","text":"a\n\"b\"","round":9,"sent_ms":5,"conversation":"bob","number":1}"#
        );
        let delivered = line(Notice::Delivered { id, round });
        assert_eq!(delivered, r#"{"event":"delivered","id":3,"round":9,"conversation":"bob"}"#);
        let clock = line(Notice::Clock { round, ahead_ms: -61_000 });
        assert!(clock.contains(r#""code":"clock""#) && clock.contains("61 s behind"));
        let kind = Interference::IdlePairUnmet { lane: 0 };
        let unmet = line(Notice::Interference { round, kind, times: 7 });
        assert!(unmet.contains("7 times in this run") && unmet.contains(r#""times":7"#), "{unmet}");
        let stage = BudgetStage::Spent;
        let causes = talaria_client::Causes { own: 4, ..Default::default() };
        let spent = line(Notice::Budget { stage, charged: 9, budget: 9, causes });
        assert!(spent.starts_with(r#"{"event":"budget","state":"spent","charged":9,"budget":9,"#));
        let causes = r#""causes":{"unmet":0,"late":4,"failed":0,"unanswered":0}}"#;
        assert!(spent.ends_with(causes) && spent.contains("4 lost for you alone"), "{spent}");
        let ready = line(Notice::Ready { unacknowledged: 2 });
        assert_eq!(
            ready,
            r#"{"event":"ready","partner":"bob","unacknowledged":2,"conversation":"bob"}"#
        );
    }

    #[test]
    fn a_round_that_failed_for_everybody_is_not_one_that_nobody_speaks_of() {
        let outcome = |loss| {
            let end = RoundEnd::Lost(loss);
            line(Notice::Round { round: Round(9), end, latency_ms: 5 })
        };
        assert!(outcome(Loss::Own).contains(r#""outcome":"late""#));
        assert!(outcome(Loss::Everybody).contains(r#""outcome":"failed""#));
        assert!(outcome(Loss::Unknown).contains(r#""outcome":"unanswered""#));
        let lost = line(Notice::RoundsLost { loss: Loss::Own, rounds: 5 });
        assert!(
            lost.contains(r#""code":"rounds_lost""#) && lost.contains(r#""times":5"#),
            "{lost}"
        );
    }

    #[test]
    fn only_who_has_asked_gets_a_token_or_a_refusal() {
        let asked = Asked { face: 1, token: Token(7) };
        let sent = Told::new(&Event::Sent { id: MessageId(0), asked: Some(asked) }, "bob");
        let token = |event| match event {
            Some(api::Event::Sent { token, .. } | api::Event::Error(Trouble { token, .. })) => {
                Some(token)
            }
            _ => None,
        };
        assert_eq!(token(sent.to_face(1)), Some(Some(Token(7))));
        assert_eq!(token(sent.to_face(2)), Some(None));
        let refused = Told::new(&Event::Refused(SayError::NotOpen, asked), "bob");
        assert_eq!(token(refused.to_face(1)), Some(Some(Token(7))));
        assert_eq!(refused.to_face(2), None);
        let accepted = Told::new(&Event::KeyAccepted(asked), "bob");
        assert_eq!(token(accepted.to_face(2)), Some(None));
    }
}
