//! X25519 for many points at once.
//!
//! A mix server, or anything else that answers key agreements by the thousand, computes the same
//! function on many independent inputs. On processors with AVX-512 IFMA this crate puts eight of
//! them side by side in a vector of integers, on those with AVX2 and FMA four in a vector of doubles;
//! elsewhere it calls aws-lc-rs for one after another. All give X25519 of [RFC 7748], section 5, bit
//! for bit.
//!
//! ```
//! use x25519_batch::Backend;
//!
//! let backend = Backend::detect();
//! let (server, clients) = ([0x42; 32], [[1; 32], [2; 32], [3; 32]]);
//!
//! // The public keys of many scalars, and of one.
//! let mut public = [[0; 32]; 3];
//! backend.base_point(&clients, &mut public);
//! let mut server_public = [[0; 32]];
//! backend.base_point(&[server], &mut server_public);
//!
//! // One scalar with many points: what the server computes.
//! let mut shared = [[0; 32]; 3];
//! backend.one_scalar(&server, &public, &mut shared);
//!
//! // Many scalars with many points: what the clients compute.
//! let mut same = [[0; 32]; 3];
//! backend.many_scalars(&clients, &[server_public[0]; 3], &mut same);
//! assert_eq!(shared, same);
//! ```
//!
//! # Secrets
//!
//! No branch and no address depends on a scalar, a point or a product; only the number of points
//! and the backend decide what runs. The heads of the ladders' source files, `avx512/ladder.rs` and
//! `avx2/ladder.rs`, say for each class of instruction what is known of its time; a script checks the
//! compiled loops, and the benchmark `dudect` measures them. No vendor promises that floating-point
//! arithmetic, which the AVX2 backend uses, takes the same time for all operands; for the numbers
//! that occur there nobody has found that it does not. Who wants the promise sets
//! [`BACKEND_VARIABLE`] to `portable`.
//!
//! The vector backends keep everything on their own stack, wipe what they name when it goes out of
//! scope, and after every call the stack below the call and the vector registers, for what the
//! compiler put there. The caller's own slices, scalars included, are the caller's to wipe.
//!
//! A point of low order gives a product of 32 zero bytes whatever the scalar is. A protocol that
//! relies on both sides' contributing has to look for it (RFC 7748, section 6.1).
//!
//! # Memory
//!
//! A vector backend allocates once per process, when it is first asked for: 158 KiB (AVX-512) or
//! 96 KiB (AVX2) for the base point's table, which the check at start computes in about a
//! millisecond. It uses up to 64 KiB of stack. The portable backend allocates what aws-lc-rs does, some
//! small blocks per point, and so do the up to three points that the AVX2 backend leaves to it.
//!
//! [RFC 7748]: https://www.rfc-editor.org/rfc/rfc7748

#![allow(unsafe_code, reason = "intrinsics need it; this is the only crate that may")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::many_single_char_names,
    reason = "limbs, and names of formulas"
)]
#![deny(unsafe_op_in_unsafe_fn, missing_docs, clippy::undocumented_unsafe_blocks)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod backend;
mod check;
mod kind;
mod portable;
#[cfg(target_arch = "x86_64")]
mod scalars;

pub use backend::{BACKEND_VARIABLE, Backend};
