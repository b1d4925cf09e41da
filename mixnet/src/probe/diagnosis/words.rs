//! Every way in which a link can be down, in words: what it is, and who has to do what.

use talaria_wire::probe::LinkState;

use super::server::Server;

/// What is wrong with the link, and what to do.
pub(super) fn of_fault(state: LinkState, near: &Server, far: &Server) -> (String, String) {
    let (finding, advice) = match state {
        LinkState::NoAddress
        | LinkState::NobodyListens
        | LinkState::Unreachable
        | LinkState::TimedOut
        | LinkState::Silent
        | LinkState::NoLink => unreached(state, near, far),
        LinkState::Version
        | LinkState::Network
        | LinkState::Outdated
        | LinkState::Behind
        | LinkState::Forked => other_file(state, near, far),
        LinkState::AnotherKey | LinkState::KeyRefused => wrong_key(state, near, far),
        _ => passing(state, near, far),
    };
    (finding.to_owned(), advice)
}

fn unreached(state: LinkState, near: &Server, far: &Server) -> (&'static str, String) {
    let Server { operator: theirs, address, .. } = far;
    match state {
        LinkState::NoAddress => (
            "the name cannot be resolved",
            format!(
                "{} checks the DNS of the machine; if {far} has moved, agree on a network file with \
                 its new address",
                near.operator
            ),
        ),
        LinkState::NobodyListens => (
            "the machine answers, but nobody listens on the port",
            format!(
                "{theirs} starts talariad, or lets it listen where the network file says ({address})"
            ),
        ),
        LinkState::Unreachable => (
            "there is no way to the machine",
            format!(
                "both check their networks: is {address} right, and does {far} have a network?"
            ),
        ),
        LinkState::TimedOut => (
            "no answer",
            format!("{theirs} looks whether the machine is up and its firewall lets {near} in"),
        ),
        LinkState::Silent => (
            "it takes connections, and then says nothing",
            format!("{theirs} looks at {far}: it hangs, or the machine is overloaded"),
        ),
        _ => (
            "what listens there is no hop of Talaria",
            format!("{theirs} looks what listens on {address}"),
        ),
    }
}

fn wrong_key(state: LinkState, near: &Server, far: &Server) -> (&'static str, String) {
    if state == LinkState::AnotherKey {
        let advice = format!(
            "{} checks `identity` in the configuration, and what listens on {}; a new key needs a \
             new version of the network file",
            far.operator, far.address
        );
        ("it does not show the key that the network file has for it", advice)
    } else {
        let advice = format!(
            "{} and {} compare `talariad network show`, and the key of {near} in it",
            near.operator, far.operator
        );
        ("it does not take the key of the server before it", advice)
    }
}

fn other_file(state: LinkState, near: &Server, far: &Server) -> (&'static str, String) {
    let install = |server: &Server| {
        format!("{} installs the newest network file and restarts {server}", server.operator)
    };
    match state {
        LinkState::Version => (
            "the two speak different versions of the protocol",
            format!("{} and {} run the same version of talariad", near.operator, far.operator),
        ),
        LinkState::Network => ("it runs for another network", install(far)),
        LinkState::Outdated => {
            ("the server before it still has an older network file", install(near))
        }
        LinkState::Behind => ("it still has an older network file", install(far)),
        _ => (
            "there are two different network files of one version",
            "stop: all operators have signed two different files; find out why first".to_owned(),
        ),
    }
}

fn passing(state: LinkState, near: &Server, far: &Server) -> (&'static str, String) {
    match state {
        LinkState::Starting => ("not connected yet", "probe again in some seconds".to_owned()),
        LinkState::Full => ("it has no room for another connection", "probe again".to_owned()),
        LinkState::ShuttingDown => {
            ("it is shutting down", format!("{} starts {far} again", far.operator))
        }
        LinkState::Malformed => (
            "it does not keep to the protocol",
            format!("{} and {} run the same version of talariad", near.operator, far.operator),
        ),
        LinkState::Last => (
            "it is the last hop there, and not here",
            format!("{} installs the newest network file and restarts {near}", near.operator),
        ),
        _ => (
            "the connection broke",
            format!("probe again; if it stays so, {} looks at the log of {far}", far.operator),
        ),
    }
}
