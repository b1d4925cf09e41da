//! The check at start: what a vector backend computes for random scalars and points against what
//! aws-lc-rs does, which is the portable backend, once per process and backend.
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
    let compute = |scalars: &Elements, points: &Elements| Answers::of(candidate, scalars, points);
    passes_by(candidate.name(), compute)
}

type Elements = [[u8; 32]; ELEMENTS];

/// The same for whatever computes the answers.
fn passes_by(name: &str, compute: impl FnOnce(&Elements, &Elements) -> Answers) -> bool {
    let [mut scalars, mut points] = [[[0; 32]; ELEMENTS]; 2];
    for (bytes, i) in scalars.iter_mut().chain(&mut points).zip(1..) {
        // Without randomness they are these, and the check is weaker; that is not its business.
        bytes.fill(i);
        let _ = rand::fill(bytes);
    }
    let expected = Answers::of(Kind::Portable, &scalars, &points);
    judge(name, &compute(&scalars, &points), &expected)
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
    fn a_kernel_that_computes_something_else_does_not_pass() {
        let right =
            |scalars: &Elements, points: &Elements| Answers::of(Kind::Portable, scalars, points);
        assert!(passes_by("right", right));
        // Another result in one lane of one call, results in another order, and no multiplication.
        let one_lane = |scalars: &Elements, points: &Elements| {
            let mut answers = right(scalars, points);
            answers.0[1][7][0] ^= 1;
            answers
        };
        let turned = |scalars: &Elements, points: &Elements| {
            let mut answers = right(scalars, points);
            answers.0.iter_mut().for_each(|call| call.reverse());
            answers
        };
        let copied = |_: &Elements, points: &Elements| Answers([*points; 3]);
        let zero = |_: &Elements, _: &Elements| Answers([[[0; 32]; ELEMENTS]; 3]);
        assert!(!passes_by("test of the check", one_lane));
        assert!(!passes_by("test of the check", turned));
        assert!(!passes_by("test of the check", copied));
        assert!(!passes_by("test of the check", zero));
    }

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
