//! Keys over time: made, announced, taken over, used and wiped.

use super::*;
use chacha20::ChaCha20Rng;
use proptest::prelude::*;
use rand::SeedableRng;
use talaria_wire::UnixMillis;
use talaria_wire::network_file::{EntryInfo, HopInfo, IdentityInfo, NetworkFile, Terms, Validity};

const EPOCH: u64 = 10;

fn identity(i: u8) -> IdentitySecret {
    IdentitySecret::from_bytes(&[i + 1; 32]).unwrap()
}

fn network(name: &str) -> Network {
    let address = "127.0.0.1:7400".to_owned();
    let operator = |i: u8| format!("operator {i}");
    let entry = EntryInfo {
        operator: operator(0),
        address: address.clone(),
        identity: *identity(0).public(),
        ca: vec![1, 2, 3].into(),
    };
    let hops = (1..=3).map(|i| HopInfo {
        operator: operator(i),
        address: address.clone(),
        identity: *identity(i).public(),
    });
    let validity = Validity { from: UnixMillis(0), until: UnixMillis(1000) };
    let service = IdentityInfo { address: address.clone(), key: *identity(100).public() };
    let mut terms = Terms::first(name, validity, entry, service, hops.collect());
    terms.epoch_rounds = u32::try_from(EPOCH).unwrap();
    let mut file = NetworkFile::new(terms).unwrap();
    (0..=3).for_each(|i| file.sign(&identity(i)));
    file.verify(UnixMillis(5), None).unwrap()
}

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(3)
}

fn hop(place: u8) -> HopKeys {
    HopKeys::new(Arc::new(identity(place + 1)), &network("a"), HopIndex(place))
}

/// Passes on what each hop announces, from the last to the first, and gives what the entry learns.
fn relay(hops: &mut [HopKeys], now: Round) -> ChainKeys {
    for place in (1..hops.len()).rev() {
        for keys in hops[place].announcements() {
            hops[place - 1].learn(keys, now).unwrap();
        }
    }
    let mut entry = ChainKeys::new(&network("a"), HopIndex(0));
    for keys in hops[0].announcements() {
        entry.take(keys, now).unwrap();
    }
    entry
}

#[test]
fn keys_are_announced_two_epochs_ahead_and_agree_along_the_chain() {
    let (mut rng, now) = (rng(), Round(1000));
    let mut hops: Vec<_> = (0..3).map(hop).collect();
    assert!(hops.iter_mut().all(|hop| hop.advance(now, &mut rng)));
    assert!(!hops[0].advance(now, &mut rng));
    // Without the keys of the later hops there is nothing to announce, and no round to run.
    assert!(hops[0].announcements().is_empty() && hops[0].begin(now).is_none());
    let entry = relay(&mut hops, now);
    for round in [1000, 1009, 1010, 1029].map(Round) {
        let keys = entry.of_round(round).unwrap();
        for (place, hop) in hops.iter_mut().enumerate() {
            assert_eq!(hop.behind_in(round).unwrap(), &keys[place + 1..]);
            let own = hop.own[&Epoch::of(round, hop.epoch_rounds)].secret.clone();
            assert_eq!(*own.public(), keys[place]);
        }
    }
    assert!(entry.of_round(Round(1030)).is_none());
    assert_ne!(entry.of_round(Round(1009)), entry.of_round(Round(1010)));
}

#[test]
fn old_keys_are_wiped_when_a_later_round_begins_or_in_time() {
    let (mut rng, now) = (rng(), Round(1008));
    let mut hops: Vec<_> = (0..3).map(hop).collect();
    hops.iter_mut().for_each(|hop| assert!(hop.advance(now, &mut rng)));
    relay(&mut hops, now);
    // An epoch has begun, and rounds of the one before are still on their way.
    let first = &mut hops[0];
    assert!(first.advance(Round(1010), &mut rng));
    let late = first.begin(Round(1009)).unwrap();
    assert!(first.begin(Round(1011)).is_some() && first.begin(Round(1009)).is_none());
    // Whoever works with a key still has it; then it is gone.
    assert_eq!(Arc::strong_count(&late.secret), 1);
    // A hop that no round reaches forgets as well.
    let second = &mut hops[1];
    second.advance(Round(1014), &mut rng);
    assert!(second.begin(Round(1009)).is_some());
    second.advance(Round(1015), &mut rng);
    assert!(second.begin(Round(1009)).is_none() && second.begin(Round(1015)).is_some());
}

#[test]
fn a_hop_that_was_restarted_announces_other_keys_which_replace_the_old() {
    let (mut rng, now) = (rng(), Round(1000));
    let mut hops: Vec<_> = (0..3).map(hop).collect();
    hops.iter_mut().for_each(|hop| assert!(hop.advance(now, &mut rng)));
    let before = relay(&mut hops, now);
    hops[2] = hop(2);
    hops[2].advance(now, &mut rng);
    let after = relay(&mut hops, now);
    let (before, after) = (before.of_round(now).unwrap(), after.of_round(now).unwrap());
    assert_eq!(before[..2], after[..2]);
    assert_ne!(before[2], after[2]);
}

#[test]
fn what_is_not_signed_for_here_and_now_is_refused() {
    let (mut rng, now) = (rng(), Round(1000));
    let mut hops: Vec<_> = (0..3).map(hop).collect();
    hops.iter_mut().for_each(|hop| assert!(hop.advance(now, &mut rng)));
    relay(&mut hops, now);
    let announced = hops[0].announcements();
    let take = |keys: EpochKeys, now| {
        let mut entry = ChainKeys::new(&network("a"), HopIndex(0));
        let taken = entry.take(keys, now);
        assert_eq!(taken.is_ok(), entry.all().count() == 1);
        taken
    };
    let good = announced[0].clone();
    assert_eq!(take(good.clone(), now), Ok(true));
    assert_eq!(take(good.clone(), Round(now.0 + 20)), Err(BadEpochKeys::OtherTime));
    assert_eq!(take(good.clone(), Round(now.0 - 40)), Err(BadEpochKeys::OtherTime));
    let later = EpochKeys { epoch: Epoch(good.epoch.0 + 1), ..good.clone() };
    assert_eq!(take(later, now), Err(BadEpochKeys::NotSigned(HopIndex(0))));
    let mut swapped = good.clone();
    swapped.keys.swap(1, 2);
    assert_eq!(take(swapped, now), Err(BadEpochKeys::NotSigned(HopIndex(1))));
    let mut mixed = good.clone();
    mixed.keys[2] = announced[1].keys[2];
    assert_eq!(take(mixed, now), Err(BadEpochKeys::NotSigned(HopIndex(2))));
    let mut short = good.clone();
    short.keys.pop();
    assert_eq!(take(short, now), Err(BadEpochKeys::OtherHops));
    let other_first = EpochKeys { first: HopIndex(1), ..good.clone() };
    assert_eq!(take(other_first, now), Err(BadEpochKeys::OtherHops));
    let mut elsewhere = ChainKeys::new(&network("b"), HopIndex(0));
    assert_eq!(elsewhere.take(good, now), Err(BadEpochKeys::NotSigned(HopIndex(0))));
}

#[test]
fn a_key_that_keeps_no_secret_is_refused_even_if_it_is_signed() {
    let network = network("a");
    let epoch = Epoch(100);
    let terms = KeyTerms {
        network: network.version_hash(),
        hop: HopIndex(2),
        epoch,
        epoch_rounds: network.epoch_rounds(),
    };
    let zero = SignedKey::sign(OnionPublic([0; 32]), &terms, &identity(3));
    let mut last = ChainKeys::new(&network, HopIndex(2));
    let announced = EpochKeys { epoch, first: HopIndex(2), keys: vec![zero] };
    assert_eq!(last.take(announced, Round(1000)), Err(BadEpochKeys::NotSigned(HopIndex(2))));
}

proptest! {
    #[test]
    fn a_few_keys_are_held_and_the_present_one_is_among_them(steps in prop::collection::vec(0u64..25, 1..60)) {
        let mut rng = rng();
        let mut last = hop(2);
        let mut now = Round(500);
        for step in steps {
            now = Round(now.0 + step);
            last.advance(now, &mut rng);
            prop_assert!(last.own.len() <= 4);
            prop_assert!(last.next_advance(now) > now);
            prop_assert!(last.begin(now).is_some());
            prop_assert!(last.begin(Round(now.0 + EPOCH * EPOCHS_AHEAD)).is_some());
            last.advance(now, &mut rng);
        }
    }
}
