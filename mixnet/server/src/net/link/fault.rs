//! What went wrong with a link, as the one word that a probe reports.

use std::io;

use rustls::AlertDescription;
use rustls::Error as TlsError;
use talaria_wire::crypto::IdentityPublic;
use talaria_wire::probe::LinkState;
use talaria_wire::reason::Refusal;

use super::broken::BrokenLink;
use crate::net::frames::ReadError;
use crate::net::greeting::GreetingError;
use crate::net::tls::AnotherKey;

/// The state of a link that `error` has ended.
pub(in crate::net) fn state_of(error: &BrokenLink) -> LinkState {
    match error {
        BrokenLink::Resolve(_) => LinkState::NoAddress,
        BrokenLink::Connect(error) => unreached(error),
        BrokenLink::Tls(error) => of_tls(error).unwrap_or(LinkState::NoLink),
        BrokenLink::Silent => LinkState::Silent,
        BrokenLink::Greeting(GreetingError::Refused(refusal)) => refused(*refusal),
        BrokenLink::Greeting(GreetingError::Read(error)) | BrokenLink::Read(error) => read(error),
        BrokenLink::Greeting(GreetingError::Io(error)) | BrokenLink::Write(error) => {
            of_tls(error).unwrap_or(LinkState::Broken)
        }
        BrokenLink::Greeting(
            GreetingError::Control(_)
            | GreetingError::Unexpected(_)
            | GreetingError::Version(_)
            | GreetingError::Stranger,
        )
        | BrokenLink::Link(_)
        | BrokenLink::Malformed(_) => LinkState::Malformed,
        BrokenLink::Ended => LinkState::Broken,
    }
}

/// The key that the peer has shown in place of the one that it should have.
pub(in crate::net) fn shown_key(error: &BrokenLink) -> Option<IdentityPublic> {
    let BrokenLink::Tls(error) = error else { return None };
    let Some(TlsError::InvalidCertificate(rustls::CertificateError::Other(other))) = tls(error)
    else {
        return None;
    };
    other.0.downcast_ref::<AnotherKey>()?.shown
}

fn unreached(error: &io::Error) -> LinkState {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => LinkState::NobodyListens,
        io::ErrorKind::TimedOut => LinkState::TimedOut,
        io::ErrorKind::ConnectionReset => LinkState::Broken,
        _ => LinkState::Unreachable,
    }
}

fn refused(refusal: Refusal) -> LinkState {
    match refusal {
        Refusal::Version => LinkState::Version,
        Refusal::Network => LinkState::Network,
        Refusal::Outdated => LinkState::Outdated,
        Refusal::Behind => LinkState::Behind,
        Refusal::Forked => LinkState::Forked,
        // No entry refuses a link: what is said to clients only does not belong there.
        Refusal::Certificate | Refusal::Unchecked | Refusal::Disabled => LinkState::Malformed,
        Refusal::Full => LinkState::Full,
        Refusal::ShuttingDown => LinkState::ShuttingDown,
    }
}

fn read(error: &ReadError) -> LinkState {
    match error {
        ReadError::Closed => LinkState::Broken,
        ReadError::Io(error) => of_tls(error).unwrap_or(LinkState::Broken),
        ReadError::Frame(_) => LinkState::Malformed,
    }
}

fn tls(error: &io::Error) -> Option<&TlsError> {
    error.get_ref()?.downcast_ref()
}

/// In TLS 1.3 the side that connects learns only after its handshake that its key is not taken.
fn of_tls(error: &io::Error) -> Option<LinkState> {
    match tls(error)? {
        TlsError::InvalidCertificate(_) => Some(LinkState::AnotherKey),
        TlsError::AlertReceived(
            AlertDescription::AccessDenied
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate,
        ) => Some(LinkState::KeyRefused),
        _ => Some(LinkState::NoLink),
    }
}
