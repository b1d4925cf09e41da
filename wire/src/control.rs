//! Control frames: the greeting and the few words that are not part of a round's data.
//!
//! MessagePack maps with named fields, at most [`CONTROL_MAX`] bytes. A greeting carries the
//! version of the protocol and the id of the network, so that two sides that could not
//! understand each other part with a reason instead of garbage.

use rmp_serde::Deserializer;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::frame::{CONTROL_MAX, HEADER_LEN, Header, Kind};
use crate::network_file::{NetworkId, NetworkVersion, VersionHash};
use crate::params::PROTOCOL_VERSION;
use crate::probe::HopStatus;
use crate::reason::{AbortReason, Farewell, Pause, Refusal};

/// Everything that a control frame can say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Control {
    /// The first frame on every connection, from the side that opened it.
    Hello {
        /// [`PROTOCOL_VERSION`] of the sender.
        protocol: u16,
        /// The network that the sender means to talk to.
        network: NetworkId,
        /// The number of the version of the network file that the sender has.
        sequence: u64,
        /// The hash of that version.
        version: VersionHash,
    },
    /// The answer to a hello that fits.
    Welcome {
        /// The version that is spoken from here on.
        protocol: u16,
    },
    /// The answer to a hello that does not fit; the connection ends.
    Refused {
        /// Why.
        reason: Refusal,
    },
    /// On a link: a round will not come back.
    Abort {
        /// The round.
        round: u64,
        /// Why.
        reason: AbortReason,
    },
    /// From the entry: a round was left out, since it could not have travelled.
    Paused {
        /// Why.
        reason: Pause,
    },
    /// The sender is about to close the connection.
    Goodbye {
        /// Why.
        reason: Farewell,
    },
    /// On a link, away from the clients: how is this hop, and how are those behind it?
    Probe {
        /// Chosen by who asks, to tell the reports that follow from others.
        id: u64,
    },
    /// On a link, towards the clients: how one hop is.
    Report(HopStatus),
}

/// Something else than the greeting that had to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the peer does not greet as it should")]
pub struct NoGreeting;

/// Why a side that has sent its hello cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotWelcome {
    /// The peer does not take the hello.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The peer goes on in another version of the protocol, which is not spoken here.
    #[error("the peer speaks version {0} of the protocol")]
    Version(u16),
    /// Something else came.
    #[error(transparent)]
    Unexpected(#[from] NoGreeting),
}

/// Bytes that are not exactly one control message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a control message")]
pub struct BadControl;

impl Control {
    /// The greeting of somebody who has this version of a network file.
    #[must_use]
    pub fn hello(own: &NetworkVersion) -> Self {
        Self::Hello {
            protocol: PROTOCOL_VERSION,
            network: own.network,
            sequence: own.sequence,
            version: own.hash,
        }
    }

    /// The answer of the side that listens: whether whoever greets can come in, or why not.
    #[must_use]
    pub fn answer<T>(answer: &Result<T, Refusal>) -> Self {
        match answer {
            Ok(_) => Self::Welcome { protocol: PROTOCOL_VERSION },
            Err(reason) => Self::Refused { reason: *reason },
        }
    }

    /// What the side that listens and has `own` makes of the first message on a connection:
    /// whether the hello fits, or the refusal to answer with. The version of the protocol comes
    /// first: by another one the rest may mean something else.
    ///
    /// # Errors
    /// [`NoGreeting`] if it is no hello.
    pub fn check_hello(&self, own: &NetworkVersion) -> Result<Result<(), Refusal>, NoGreeting> {
        match *self {
            Self::Hello { protocol, .. } if protocol != PROTOCOL_VERSION => {
                Ok(Err(Refusal::Version))
            }
            Self::Hello { network, sequence, version: hash, .. } => {
                Ok(own.greet(&NetworkVersion { network, sequence, hash }))
            }
            _ => Err(NoGreeting),
        }
    }

    /// What the side that has sent a hello makes of the answer.
    ///
    /// # Errors
    /// [`NotWelcome`] with the reason to close the connection.
    pub fn check_answer(&self) -> Result<(), NotWelcome> {
        match *self {
            Self::Welcome { protocol: PROTOCOL_VERSION } => Ok(()),
            Self::Welcome { protocol } => Err(NotWelcome::Version(protocol)),
            Self::Refused { reason } => Err(reason.into()),
            _ => Err(NoGreeting.into()),
        }
    }

    /// The whole frame.
    #[must_use]
    pub fn to_frame(&self) -> Vec<u8> {
        let body = self.to_body();
        debug_assert!(body.len() <= CONTROL_MAX);
        let mut out = Vec::with_capacity(HEADER_LEN + body.len());
        Header::put(Kind::Control, body.len(), &mut out);
        out.extend_from_slice(&body);
        out
    }

    /// Parses a body.
    ///
    /// MessagePack has many encodings of one message (arrays for maps, numbers for names, wide
    /// integers for narrow ones); only the one that [`Control::to_frame`] writes is taken.
    ///
    /// # Errors
    /// [`BadControl`] if it is anything but one whole message.
    pub fn decode(body: &[u8]) -> Result<Self, BadControl> {
        let mut rest = body;
        let control =
            Self::deserialize(&mut Deserializer::new(&mut rest)).map_err(|_| BadControl)?;
        if control.to_body() != body {
            return Err(BadControl);
        }
        Ok(control)
    }

    fn to_body(&self) -> Vec<u8> {
        rmp_serde::to_vec_named(self).expect("a control message can be encoded")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::LinkState;
    use proptest::prelude::*;

    fn all() -> Vec<Control> {
        vec![
            Control::hello(&NetworkVersion {
                network: NetworkId([7; 32]),
                sequence: 3,
                hash: VersionHash([8; 32]),
            }),
            Control::Welcome { protocol: PROTOCOL_VERSION },
            Control::Refused { reason: Refusal::Network },
            Control::Abort { round: u64::MAX, reason: AbortReason::WrongCount },
            Control::Paused { reason: Pause::NoKeys },
            Control::Goodbye { reason: Farewell::ShuttingDown },
            Control::Goodbye { reason: Farewell::Replaced },
            Control::Probe { id: u64::MAX },
            Control::Report(HopStatus {
                id: 1 << 40,
                hop: 2,
                round_trip_us: 70_000,
                round: 900_000_070,
                sequence: 3,
                version: VersionHash([8; 32]),
                program: "0.1.0".to_owned().try_into().unwrap(),
                link: LinkState::NobodyListens,
            }),
        ]
    }

    #[test]
    fn messages_round_trip_and_nothing_may_follow() {
        for control in all() {
            let frame = control.to_frame();
            assert_eq!(Control::decode(&frame[HEADER_LEN..]), Ok(control));
            let mut longer = frame[HEADER_LEN..].to_vec();
            longer.push(0);
            assert_eq!(Control::decode(&longer), Err(BadControl));
            assert_eq!(Control::decode(&frame[HEADER_LEN..frame.len() - 1]), Err(BadControl));
        }
    }

    #[test]
    fn a_greeting_is_checked_for_the_version_first_and_only_a_hello_is_one() {
        let own =
            NetworkVersion { network: NetworkId([7; 32]), sequence: 3, hash: VersionHash([8; 32]) };
        let hello = |protocol, network| Control::Hello {
            protocol,
            network: NetworkId([network; 32]),
            sequence: 3,
            version: VersionHash([8; 32]),
        };
        for (protocol, network, answer) in [
            (PROTOCOL_VERSION, 7, Ok(())),
            (PROTOCOL_VERSION, 6, Err(Refusal::Network)),
            (PROTOCOL_VERSION + 1, 7, Err(Refusal::Version)),
            (PROTOCOL_VERSION - 1, 6, Err(Refusal::Version)),
        ] {
            assert_eq!(hello(protocol, network).check_hello(&own), Ok(answer));
            let expected = answer.map_err(NotWelcome::Refused);
            assert_eq!(Control::answer(&answer).check_answer(), expected);
        }
        assert_eq!(Control::hello(&own).check_hello(&own), Ok(Ok(())));
        for other in all().iter().filter(|other| !matches!(other, Control::Hello { .. })) {
            assert_eq!(other.check_hello(&own), Err(NoGreeting));
        }
    }

    #[test]
    fn only_a_welcome_in_the_own_version_is_one() {
        let other = PROTOCOL_VERSION + 1;
        let welcome = Control::Welcome { protocol: other };
        assert_eq!(welcome.check_answer(), Err(NotWelcome::Version(other)));
        for control in all() {
            match control.check_answer() {
                Ok(()) => assert_eq!(control, Control::answer(&Ok(()))),
                Err(NotWelcome::Refused(reason)) => {
                    assert_eq!(control, Control::Refused { reason });
                }
                Err(NotWelcome::Version(version)) => panic!("nobody speaks version {version}"),
                Err(NotWelcome::Unexpected(NoGreeting)) => {}
            }
        }
    }

    #[test]
    fn a_message_has_one_encoding() {
        assert!(Control::decode(b"\x81\xa7Welcome\x81\xa8protocol\x01").is_ok());
        for other in [
            &b"\x81\xa7Welcome\x91\x01"[..],
            b"\x81\x01\x81\xa8protocol\x01",
            b"\x81\xa7Welcome\x81\xa8protocol\xcd\x00\x01",
            b"\xde\x00\x01\xa7Welcome\x81\xa8protocol\x01",
        ] {
            assert_eq!(Control::decode(other), Err(BadControl));
        }
    }

    proptest! {
        #[test]
        fn anything_decodes_to_an_error_or_a_message(bytes: Vec<u8>) {
            let _ = Control::decode(&bytes);
        }

        #[test]
        fn mutated_messages_do_not_panic(which in 0usize..8, at: usize, with: u8) {
            let mut body = all()[which].to_frame()[HEADER_LEN..].to_vec();
            let at = at % body.len();
            body[at] = with;
            let _ = Control::decode(&body);
        }
    }
}
