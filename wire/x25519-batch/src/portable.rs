//! The portable backend: aws-lc-rs (s2n-bignum's assembly on x86-64 and `AArch64`), point by point.

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use aws_lc_rs::error::Unspecified;

/// See [`crate::Backend::one_scalar`]; the lengths have been checked.
pub(crate) fn one_scalar(scalar: &[u8; 32], points: &[[u8; 32]], out: &mut [[u8; 32]]) {
    // Parsing computes the public key as well, a whole multiplication: once, not per point.
    let private = parse(scalar);
    for (point, out) in points.iter().zip(out) {
        multiply(&private, point, out);
    }
}

/// See [`crate::Backend::many_scalars`]; the lengths have been checked.
pub(crate) fn many_scalars(scalars: &[[u8; 32]], points: &[[u8; 32]], out: &mut [[u8; 32]]) {
    for ((scalar, point), out) in scalars.iter().zip(points).zip(out) {
        multiply(&parse(scalar), point, out);
    }
}

/// See [`crate::Backend::base_point`]; the lengths have been checked.
pub(crate) fn base_point(scalars: &[[u8; 32]], out: &mut [[u8; 32]]) {
    for (scalar, out) in scalars.iter().zip(out) {
        let public = parse(scalar)
            .compute_public_key()
            .expect("an X25519 private key always has a public key");
        out.copy_from_slice(public.as_ref());
    }
}

fn parse(scalar: &[u8; 32]) -> PrivateKey {
    PrivateKey::from_private_key(&X25519, scalar)
        .expect("every string of 32 bytes is an X25519 private key")
}

/// An agreement fails exactly if the product is zero (RFC 7748, section 6.1), so a failure leaves
/// zeros.
fn multiply(private: &PrivateKey, point: &[u8; 32], out: &mut [u8; 32]) {
    let product = agree(private, UnparsedPublicKey::new(&X25519, point), Unspecified, |secret| {
        out.copy_from_slice(secret);
        Ok(())
    });
    if product.is_err() {
        out.fill(0);
    }
}
