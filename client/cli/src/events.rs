//! What happens, as JSON: one object a line on standard output. `docs/events.md` shows each.

use std::io::{self, Write};

use serde::Serialize;
use talaria_client::conversation::state::Received;
use talaria_client::{BudgetStage, Interference, Notice, Presence, SafetyNumber, Way};
use talaria_daemon as net;
use talaria_wire::frame::Outcome;
use talaria_wire::identity::UserName;

/// One line of output.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    Ready {
        partner: String,
        unacknowledged: usize,
    },
    Round {
        round: u64,
        outcome: &'static str,
        latency_ms: u64,
    },
    Sent {
        id: u32,
    },
    Delivered {
        id: u32,
        round: u64,
    },
    Progress {
        id: u32,
        way: &'static str,
        have: u16,
        count: u16,
    },
    Message {
        id: u32,
        from: String,
        text: String,
        round: u64,
        sent_ms: u64,
    },
    /// A message of which nobody knows whether it was printed before a kill.
    Repeated {
        id: u32,
        from: String,
        text: String,
        round: u64,
        sent_ms: u64,
    },
    Partner {
        state: &'static str,
        round: u64,
    },
    /// Who is talked to, and how well their key is known.
    Contact {
        name: String,
        trust: &'static str,
        safety_number: String,
    },
    Error {
        code: &'static str,
        message: String,
        fatal: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        round: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        line: Option<u64>,
        /// How often the same was seen in this run.
        #[serde(skip_serializing_if = "Option::is_none")]
        times: Option<u64>,
    },
    Budget {
        state: &'static str,
        charged: u64,
        budget: u64,
        message: String,
    },
    Finished {
        unacknowledged: usize,
    },
}

impl Event {
    /// Who is talked to.
    pub(crate) fn contact(name: &UserName, trust: &'static str, number: &SafetyNumber) -> Self {
        Self::Contact { name: name.to_string(), trust, safety_number: number.digits() }
    }

    /// An error after which the program goes on.
    pub(crate) fn trouble(code: &'static str, message: String, round: Option<u64>) -> Self {
        Self::Error { code, message, fatal: false, round, line: None, times: None }
    }

    /// The event for what a run with `partner` has to show.
    pub(crate) fn from_net(event: &net::Event, partner: &str) -> Self {
        match event {
            net::Event::Notice(notice) => Self::from_notice(notice, partner),
            net::Event::Refused(error) => Self::trouble("refused", error.to_string(), None),
            net::Event::KeyChanged { number, .. } => Self::Contact {
                name: partner.to_owned(),
                trust: "changed",
                safety_number: number.digits(),
            },
            net::Event::KeyAccepted | net::Event::PartnerGone(_) | net::Event::Directory(_) => {
                let code = match event {
                    net::Event::KeyAccepted => "key_accepted",
                    net::Event::PartnerGone(_) => "partner_gone",
                    _ => "directory",
                };
                Self::trouble(code, describe_event(event, partner).unwrap_or_default(), None)
            }
            net::Event::Disconnected { reason, .. } => {
                Self::trouble("disconnected", reason.clone(), None)
            }
        }
    }

    /// A message of `partner` that may have been printed when an earlier run was killed.
    pub(crate) fn repeated(received: &Received, partner: &str) -> Self {
        Self::Repeated {
            id: received.id.0,
            from: partner.to_owned(),
            text: received.text.as_str().to_owned(),
            round: received.round.0,
            sent_ms: received.sent_ms,
        }
    }

    /// The event for something that the client tells.
    pub(crate) fn from_notice(notice: &Notice, partner: &str) -> Self {
        match notice {
            Notice::Ready { unacknowledged } => {
                Self::Ready { partner: partner.to_owned(), unacknowledged: *unacknowledged }
            }
            Notice::Round { round, outcome, latency_ms } => Self::Round {
                round: round.0,
                outcome: outcome_name(*outcome),
                latency_ms: *latency_ms,
            },
            Notice::Sent { id } => Self::Sent { id: id.0 },
            Notice::Delivered { id, round } => Self::Delivered { id: id.0, round: round.0 },
            Notice::Progress { id, way, have, count } => {
                Self::Progress { id: id.0, way: way_name(*way), have: *have, count: *count }
            }
            Notice::Message { id, from, text, round, sent_ms, .. } => Self::Message {
                id: id.0,
                from: from.to_string(),
                text: text.as_str().to_owned(),
                round: round.0,
                sent_ms: *sent_ms,
            },
            Notice::Partner { presence, round } => {
                Self::Partner { state: presence_name(*presence), round: round.0 }
            }
            Notice::Finished => Self::Finished { unacknowledged: 0 },
            Notice::Budget { stage, charged, budget } => Self::Budget {
                state: stage_name(*stage),
                charged: *charged,
                budget: *budget,
                message: describe(notice).unwrap_or_default(),
            },
            Notice::Interference { .. } | Notice::Clock { .. } | Notice::OutOfStep => {
                trouble(notice)
            }
        }
    }
}

fn trouble(notice: &Notice) -> Event {
    let message = describe(notice).unwrap_or_default();
    match notice {
        Notice::Interference { round, times, .. } => Event::Error {
            code: "interference",
            message,
            fatal: false,
            round: Some(round.0),
            line: None,
            times: Some(*times),
        },
        Notice::Clock { round, .. } => Event::trouble("clock", message, Some(round.0)),
        _ => Event::trouble("out_of_step", message, None),
    }
}

/// What to tell a person about the partner's key, and the directory.
pub(crate) fn describe_event(event: &net::Event, partner: &str) -> Option<String> {
    Some(match event {
        net::Event::KeyChanged { number, verified } => {
            let before = if *verified { ", and you had compared the one before" } else { "" };
            format!(
                "{partner} has another key than before{before}. Either {partner} has replaced it, \
                 or somebody is putting a key of their own between you. Nothing is sent until you \
                 accept it, with `talaria verify {partner} --accept` or, on the screen, with \
                 /accept. The safety number would be {}",
                number.groups().join(" ")
            )
        }
        net::Event::KeyAccepted => format!("the new key of {partner} is accepted"),
        net::Event::PartnerGone(why) | net::Event::Directory(why) => why.clone(),
        _ => return None,
    })
}

/// What to tell a person about something that went wrong.
pub(crate) fn describe(notice: &Notice) -> Option<String> {
    Some(match notice {
        Notice::Interference { round, kind, times } => {
            let what = match kind {
                Interference::IdlePairUnmet { .. } => {
                    "two onions of yours that were to meet each other did not: somebody may be \
                     removing onions, to see who talks"
                }
                Interference::BadReply { .. } => "a reply was altered on its way",
                Interference::NotAuthentic { .. } => {
                    "a message was altered, or is not from the partner"
                }
            };
            let often = match times {
                1 => "for the first time".to_owned(),
                times => format!("{times} times"),
            };
            format!("round {round}: {what} ({often} in this run)")
        }
        Notice::Budget { stage, charged, budget } => describe_budget(*stage, *charged, *budget),
        Notice::Clock { round, ahead_ms } => {
            let (seconds, way) = (ahead_ms.unsigned_abs() / 1000, ahead_ms.signum());
            let way = if way < 0 { "behind" } else { "ahead of" };
            format!(
                "round {round} is {seconds} s {way} this clock and is left out: \
                 check the date and time of this computer"
            )
        }
        Notice::OutOfStep => "the partner and this home do not agree on what was said: one of \
             the two works with an old copy of its files, and lines may be missing"
            .to_owned(),
        _ => return None,
    })
}

/// What it means for a person that so much of the budget is gone, and what to do.
fn describe_budget(stage: BudgetStage, charged: u64, budget: u64) -> String {
    let used = format!("{charged} of {budget} charged rounds of this conversation are used");
    let rest = match stage {
        BudgetStage::Half => {
            "half of what the noise of this network covers up. Rounds are charged when onions were \
             lost, or when you waited in vain: stay connected, and talk when the partner is there"
        }
        BudgetStage::Spent => {
            "the noise of this network covers up no more, so nothing is sent to the partner from \
             now on. From outside it looks the same. What you write is kept; `talaria chat \
             --beyond-budget` sends it, and then whoever removes onions can learn that you two talk"
        }
        BudgetStage::Beyond => {
            "the noise of this network covers up no more, and you go on: whoever removes onions can \
             learn that you two talk"
        }
    };
    format!("{used}: {rest}")
}

fn stage_name(stage: BudgetStage) -> &'static str {
    match stage {
        BudgetStage::Half => "half",
        BudgetStage::Spent => "spent",
        BudgetStage::Beyond => "beyond",
    }
}

fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered => "delivered",
        Outcome::Late => "late",
        Outcome::Failed => "failed",
    }
}

fn way_name(way: Way) -> &'static str {
    match way {
        Way::Sending => "sending",
        Way::Receiving => "receiving",
    }
}

pub(crate) fn presence_name(presence: Presence) -> &'static str {
    match presence {
        Presence::Present => "present",
        Presence::Absent => "absent",
        Presence::Ended => "ended",
        Presence::Left => "left",
    }
}

/// Prints one object as a line, and sees to it that it leaves.
pub(crate) fn print(object: &impl Serialize) -> io::Result<()> {
    let line = serde_json::to_string(object)?;
    print_line(&line)
}

/// Prints an event of a chat. One that belongs to no round gets the newest one.
pub(crate) fn print_in(newest: Option<u64>, event: &Event) -> io::Result<()> {
    let mut object = serde_json::to_value(event)?;
    if object["round"].is_null() {
        object["round"] = newest.into();
    }
    print(&object)
}

/// Prints one line, and sees to it that it leaves.
pub(crate) fn print_line(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use talaria_client::Text;
    use talaria_wire::Round;
    use talaria_wire::peer_message::MessageId;

    fn line(notice: Notice) -> String {
        let event = Event::from_net(&net::Event::Notice(notice), "Bob");
        serde_json::to_string(&event).unwrap()
    }

    #[test]
    fn events_are_objects_with_the_kind_first() {
        let (id, round) = (MessageId(3), Round(9));
        let message = Notice::Message {
            id,
            from: UserName::new("bob").unwrap(),
            text: Text::new("a\n\"b\"").unwrap(),
            round,
            sent_ms: 5,
            number: 1,
        };
        assert_eq!(
            line(message),
            r#"{"event":"message","id":3,"from":"bob","text":"a\n\"b\"","round":9,"sent_ms":5}"#
        );
        let delivered = line(Notice::Delivered { id, round });
        assert_eq!(delivered, r#"{"event":"delivered","id":3,"round":9}"#);
        let clock = line(Notice::Clock { round, ahead_ms: -61_000 });
        assert!(clock.contains(r#""code":"clock""#) && clock.contains("61 s behind"));
        let kind = Interference::IdlePairUnmet { lane: 0 };
        let unmet = line(Notice::Interference { round, kind, times: 7 });
        assert!(unmet.contains("7 times in this run") && unmet.contains(r#""times":7"#), "{unmet}");
        let stage = BudgetStage::Spent;
        let spent = line(Notice::Budget { stage, charged: 9, budget: 9 });
        assert!(spent.starts_with(r#"{"event":"budget","state":"spent","charged":9,"budget":9,"#));
        assert!(spent.contains("--beyond-budget"));
        let ready = line(Notice::Ready { unacknowledged: 2 });
        assert_eq!(ready, r#"{"event":"ready","partner":"Bob","unacknowledged":2}"#);
    }

    #[test]
    fn the_page_about_events_shows_every_event() {
        let page = include_str!("../../../docs/events.md");
        let names = [
            "ready",
            "round",
            "sent",
            "delivered",
            "progress",
            "message",
            "partner",
            "error",
            "finished",
            "budget",
            "contact",
        ];
        for name in names {
            assert!(page.contains(&format!("{{\"event\":\"{name}\"")), "{name} has no example");
        }
        for code in [
            "refused",
            "disconnected",
            "interference",
            "clock",
            "out_of_step",
            "line",
            "timeout",
            "fatal",
            "key_accepted",
            "partner_gone",
            "directory",
        ] {
            assert!(page.contains(&format!("`{code}`")), "{code} is not explained");
        }
    }
}
