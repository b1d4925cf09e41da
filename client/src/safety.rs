//! Safety numbers: what two people compare to know that nobody has put a key between them.
//!
//! As Signal does ("numeric fingerprint", version 0): for each of the two, SHA-512 is iterated
//! 5,200 times over name and key, and six chunks of five bytes of the result give six groups of
//! five digits; the smaller half comes first, so that both see the same sixty digits. A half has
//! 30 digits or 99 bits, and the iterations add 12: who wants a key of their own that shows the
//! same half as somebody else's has 2^111 work to do (for any of n people 2^111 / n).

use std::fmt;

use sha2::{Digest, Sha512};
use talaria_wire::crypto::IdentityPublic;
use talaria_wire::identity::UserName;
use talaria_wire::network_file::NetworkId;

/// Groups of digits in a safety number.
pub const GROUPS: usize = 12;
/// Digits of a group.
pub const GROUP_DIGITS: usize = 5;

const GROUPS_OF_ONE: usize = GROUPS / 2;
const CHUNK_LEN: usize = 5;
const ITERATIONS: u32 = 5200;
const CONTEXT: &[u8] = b"talaria v1 safety number";

/// Sixty digits that two people see if, and only if, both have each other's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SafetyNumber([u32; GROUPS]);

impl SafetyNumber {
    /// The number of two people of a network, in whatever order they are given.
    #[must_use]
    pub fn of(
        network: &NetworkId,
        one: (&UserName, &IdentityPublic),
        other: (&UserName, &IdentityPublic),
    ) -> Self {
        let mut halves = [half(network, one), half(network, other)];
        halves.sort_unstable();
        let mut groups = [0; GROUPS];
        groups[..GROUPS_OF_ONE].copy_from_slice(&halves[0]);
        groups[GROUPS_OF_ONE..].copy_from_slice(&halves[1]);
        Self(groups)
    }

    /// The groups, each of [`GROUP_DIGITS`] digits.
    #[must_use]
    pub fn groups(&self) -> [String; GROUPS] {
        self.0.map(|group| format!("{group:0GROUP_DIGITS$}"))
    }

    /// Sixty digits without spaces: what a QR code holds.
    #[must_use]
    pub fn digits(&self) -> String {
        self.groups().concat()
    }
}

impl fmt::Display for SafetyNumber {
    /// Three lines of four groups.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.groups().chunks(4).map(|line| line.join(" ")).collect();
        f.write_str(&lines.join("\n"))
    }
}

fn half(network: &NetworkId, (name, key): (&UserName, &IdentityPublic)) -> [u32; GROUPS_OF_ONE] {
    let key = key.to_bytes();
    let mut hash = Sha512::new()
        .chain_update(CONTEXT)
        .chain_update(network.0)
        .chain_update(key)
        .chain_update(name.as_str())
        .finalize();
    for _ in 1..ITERATIONS {
        hash = Sha512::new().chain_update(hash).chain_update(key).finalize();
    }
    let (chunks, _) = hash.as_chunks::<CHUNK_LEN>();
    std::array::from_fn(|at| digits(&chunks[at]))
}

fn digits(chunk: &[u8; CHUNK_LEN]) -> u32 {
    let number = chunk.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
    u32::try_from(number % 100_000).expect("below 100,000")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::tests::identity;
    use proptest::prelude::*;

    const NETWORK: NetworkId = NetworkId([3; 32]);

    fn number(network: &NetworkId, one: (&str, u64), other: (&str, u64)) -> SafetyNumber {
        let [one, other] = [one, other].map(|(name, seed)| identity(seed, name).0.contact());
        SafetyNumber::of(network, (&one.name, &one.key), (&other.name, &other.key))
    }

    #[test]
    fn both_see_the_same_and_everything_counts() {
        let alice = ("alice", 1);
        let own = number(&NETWORK, alice, ("bob", 2));
        assert_eq!(own, number(&NETWORK, ("bob", 2), alice));
        assert_eq!(own.digits().len(), 60);
        assert!(own.digits().bytes().all(|digit| digit.is_ascii_digit()));
        assert_eq!(own.to_string().lines().count(), 3);
        assert_ne!(own, number(&NETWORK, alice, ("bob", 3)));
        assert_ne!(own, number(&NETWORK, alice, ("rob", 2)));
        assert_ne!(own, number(&NetworkId([4; 32]), alice, ("bob", 2)));
    }

    #[test]
    fn the_number_stays_what_it_was() {
        let said = number(&NETWORK, ("alice", 1), ("bob", 2)).to_string();
        let lines =
            ["55780 81306 80311 19858", "52625 74269 65175 62828", "79515 34643 47085 21587"];
        assert_eq!(said, lines.join("\n"));
    }

    #[test]
    fn a_group_is_what_forty_bits_leave_when_divided() {
        assert_eq!(digits(&[0, 0, 0, 0, 7]), 7);
        assert_eq!(digits(&[0xff; 5]), 27_775);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn any_two_see_the_same(a in 0u64..1000, b in 0u64..1000) {
            let (one, other) = (("alice", a), ("bob", b));
            prop_assert_eq!(number(&NETWORK, one, other), number(&NETWORK, other, one));
        }
    }
}
