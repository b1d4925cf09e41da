//! The link at fault is the one that is named.

use std::num::NonZeroU64;

use super::*;
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::network_file::{NetworkId, VersionHash};

fn key(byte: u8) -> IdentityPublic {
    *IdentitySecret::from_bytes(&[byte; 32]).unwrap().public()
}

fn servers() -> Servers {
    let operators = ["Eve", "Bob", "Carol", "Dave"];
    let server = |(i, operator): (u8, &str)| Server {
        hop: i.checked_sub(1),
        operator: operator.to_owned(),
        address: format!("{}.example:7401", operator.to_lowercase()),
        identity: key(i + 1),
    };
    Servers {
        all: (0..).zip(operators).map(server).collect(),
        version: NetworkVersion {
            network: NetworkId([1; 32]),
            sequence: 3,
            hash: VersionHash([3; 32]),
        },
        schedule: ScheduleConfig::for_period(NonZeroU64::new(1000).unwrap()),
    }
}

fn report(hop: u8, link: LinkState) -> HopStatus {
    HopStatus {
        id: 1,
        hop,
        round_trip_us: 12_340,
        round: 500,
        sequence: 3,
        version: VersionHash([3; 32]),
        program: "0.1.0".to_owned().try_into().unwrap(),
        link,
    }
}

fn whole() -> Vec<HopStatus> {
    vec![report(0, LinkState::Up), report(1, LinkState::Up), report(2, LinkState::Last)]
}

fn up(reports: Vec<HopStatus>) -> Sight {
    Sight { state: LinkState::Up, shown: None, reports }
}

const NOW: UnixMillis = UnixMillis(502_000);

fn verdicts(checks: &[Check]) -> Vec<Verdict> {
    checks.iter().map(|check| check.verdict).collect()
}

#[test]
fn a_whole_chain_is_well_from_wherever_it_is_seen() {
    for (from, count) in [(None, 3), (Some(0), 2), (Some(1), 1), (Some(2), 0)] {
        let reports = whole().split_off(3 - count);
        let checks = servers().links(from, &up(reports), NOW);
        assert_eq!(verdicts(&checks), vec![Verdict::Ok; count]);
        assert_eq!((at_fault(&checks), servers().behind(from)), (None, count));
    }
    let checks = servers().links(None, &up(whole()), NOW);
    assert_eq!(checks[1].subject, "hop 1 → hop 2");
    let said = "Carol, carol.example:7401: 12.3 ms; talariad 0.1.0, last round 2 s ago";
    assert_eq!(checks[1].finding, said);
}

#[test]
fn every_state_names_its_link_and_what_to_do() {
    use LinkState::{
        AnotherKey, Behind, Broken, Forked, Full, KeyRefused, Last, Malformed, Network, NoAddress,
        NoLink, NobodyListens, Outdated, ShuttingDown, Silent, Starting, TimedOut, Unreachable,
        Version,
    };
    let states = [
        AnotherKey,
        Behind,
        Broken,
        Forked,
        Full,
        KeyRefused,
        Last,
        Malformed,
        Network,
        NoAddress,
        NoLink,
        NobodyListens,
        Outdated,
        ShuttingDown,
        Silent,
        Starting,
        TimedOut,
        Unreachable,
        Version,
    ];
    let mut said = std::collections::BTreeSet::new();
    for state in states {
        let reports = vec![report(0, LinkState::Up), report(1, state)];
        let checks = servers().links(None, &up(reports), NOW);
        assert_eq!(verdicts(&checks), [Verdict::Ok, Verdict::Ok, Verdict::Fault]);
        let fault = at_fault(&checks).unwrap();
        assert_eq!((fault.subject.as_str(), fault.state), ("hop 2 → hop 3", Some(state)));
        assert!(fault.advice.is_some() && said.insert(fault.finding.clone()), "{state:?}");

        let sight = Sight { state, shown: None, reports: vec![] };
        let checks = servers().links(None, &sight, NOW);
        assert_eq!(verdicts(&checks), [Verdict::Fault, Verdict::Unknown, Verdict::Unknown]);
    }
}

#[test]
fn a_foreign_key_is_named() {
    for (shown, whose) in [(key(3), "key of hop 2, Carol"), (key(9), "nobody's in the network")] {
        let sight = Sight { state: LinkState::AnotherKey, shown: Some(shown), reports: vec![] };
        let checks = servers().links(None, &sight, NOW);
        assert!(checks[0].finding.contains(whose), "{}", checks[0].finding);
    }
}

#[test]
fn who_says_nothing_is_at_fault() {
    let checks = servers().links(None, &up(whole()[..1].to_vec()), NOW);
    assert_eq!(verdicts(&checks), [Verdict::Ok, Verdict::Fault, Verdict::Unknown]);
}

#[test]
fn another_version_is_named() {
    for (sequence, advice) in [(2, "Bob installs"), (4, "here"), (3, "stop")] {
        let mut reports = whole();
        (reports[0].sequence, reports[0].version) = (sequence, VersionHash([9; 32]));
        let checks = servers().links(None, &up(reports), NOW);
        assert_eq!(verdicts(&checks), [Verdict::Fault, Verdict::Ok, Verdict::Ok]);
        assert!(checks[0].finding.contains(&format!("runs version {sequence}")));
        assert!(checks[0].advice.as_ref().unwrap().contains(advice));
    }
}

#[test]
fn rounds_that_stay_away_are_missed_once() {
    // Patience of 5 s, three periods, and 10 s for the clocks.
    for (now, waiting) in [(518_000, false), (518_001, true)] {
        let checks = servers().links(None, &up(whole()), UnixMillis(now));
        assert_eq!(at_fault(&checks).is_some(), waiting);
        assert_eq!(verdicts(&checks)[1..], [Verdict::Ok, Verdict::Ok]);
    }
    let mut reports = whole();
    (reports[1].round, reports[2].link) = (0, LinkState::Last);
    let checks = servers().links(None, &up(reports), NOW);
    assert_eq!(verdicts(&checks), [Verdict::Ok, Verdict::Fault, Verdict::Ok]);
    assert!(checks[1].finding.ends_with("no rounds come: no round yet"));
}
