//! The body of the fuzz target, an ordinary function that the tests run too.

use x25519_batch::Backend;

/// Takes `data` as strings of 32 bytes, the first of which is the common scalar, and compares every
/// backend with x25519-dalek in all three shapes of call.
///
/// # Panics
///
/// If two implementations differ.
#[allow(unreachable_pub)]
pub fn check(data: &[u8]) {
    let (strings, _) = data.as_chunks::<32>();
    let Some((scalar, points)) = strings.split_first() else {
        return;
    };
    let scalars: Vec<[u8; 32]> = points.iter().rev().copied().collect();
    let mut out = vec![[0; 32]; points.len()];
    for backend in Backend::available() {
        backend.one_scalar(scalar, points, &mut out);
        for (point, out) in points.iter().zip(&out) {
            assert_eq!(*out, x25519_dalek::x25519(*scalar, *point));
        }
        backend.many_scalars(&scalars, points, &mut out);
        for ((scalar, point), out) in scalars.iter().zip(points).zip(&out) {
            assert_eq!(*out, x25519_dalek::x25519(*scalar, *point));
        }
        backend.base_point(&scalars, &mut out);
        for (scalar, out) in scalars.iter().zip(&out) {
            let secret = x25519_dalek::StaticSecret::from(*scalar);
            assert_eq!(*out, x25519_dalek::PublicKey::from(&secret).to_bytes());
        }
    }
}
