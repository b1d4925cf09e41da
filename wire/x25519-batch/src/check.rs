//! The check at start: what a vector backend computes for random scalars and points against what
//! the portable one does, once per process and backend.
//!
//! The tests show that the code is right; this is about the machine at hand: an emulator with an
//! inexact fused multiply-add, a hypervisor that saves half of a register, a processor that is
//! broken. Wrong products do not look wrong, so they would be noticed late, by others.

use std::io::Write;

use aws_lc_rs::rand;

use crate::kind::Kind;

/// Elements of each call: two vectors of any backend, and some that are left over.
const ELEMENTS: usize = 17;

/// What a backend computes, in all three shapes of call.
#[derive(PartialEq, Eq)]
struct Answers([[[u8; 32]; ELEMENTS]; 3]);

impl Answers {
    fn of(backend: Kind, scalars: &[[u8; 32]], points: &[[u8; 32]]) -> Answers {
        let mut answers = [[[0; 32]; ELEMENTS]; 3];
        let [one, many, base] = &mut answers;
        backend.one_scalar(&scalars[0], points, one);
        backend.many_scalars(scalars, points, many);
        backend.base_point(scalars, base);
        Answers(answers)
    }
}

/// Whether a backend computes what the portable one does.
///
/// If not, this says so on the standard error: the crate has no logger, and a program that does not
/// look at [`rejected`](crate::Backend::rejected) should not run slower than it could without anybody's knowing why.
pub(crate) fn passes(candidate: Kind) -> bool {
    let [mut scalars, mut points] = [[[0; 32]; ELEMENTS]; 2];
    for bytes in scalars.iter_mut().chain(&mut points) {
        // Without randomness they stay zero, and the check is weaker; that is not its business.
        let _ = rand::fill(bytes);
    }
    let expected = Answers::of(Kind::Portable, &scalars, &points);
    judge(candidate.name(), &Answers::of(candidate, &scalars, &points), &expected)
}

fn judge(name: &str, answers: &Answers, expected: &Answers) -> bool {
    let right = answers == expected;
    if !right {
        // A closed standard error is no reason to stop.
        let _ = writeln!(
            std::io::stderr(),
            "x25519-batch: ERROR: the backend {name} computes wrong products on this machine; \
             it is not used"
        );
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_bit_is_enough() {
        let (scalars, points) = ([[1; 32]; ELEMENTS], [[2; 32]; ELEMENTS]);
        let answers = || Answers::of(Kind::Portable, &scalars, &points);
        assert!(judge("right", &answers(), &answers()));
        for call in 0..3 {
            for element in [0, ELEMENTS - 1] {
                let mut wrong = answers();
                wrong.0[call][element][31] ^= 0x40;
                assert!(!judge("test of the check", &wrong, &answers()));
            }
        }
    }
}
