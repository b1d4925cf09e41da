//! The rounding mode, which is part of this backend's state: every step rounds on purpose, to the
//! nearest, and in another mode every product is wrong.
//!
//! Rust assumes the default mode and never changes it, but a caller in another language may run
//! its thread in another one, or with denormals flushed to zero. A [`Nearest`] sets what the
//! backend needs and gives back what it found.

use core::arch::asm;

/// Round to nearest, denormals as they are, every exception masked, and every exception's flag set
/// beforehand: this arithmetic is inexact all the time, and a flag that is set already does not
/// change. The same value is what Intel asks of code whose time must not depend on data
/// (*MXCSR Configuration Dependent Timing*, 2022).
const MXCSR: u32 = 0x1fbf;

/// The environment of the arithmetic, for as long as this lives.
#[must_use]
pub(super) struct Nearest {
    found: u32,
}

impl Nearest {
    /// Sets the environment. No arithmetic moves across: it all is in functions with target
    /// features, which the callers of this, having none, do not inline.
    pub(super) fn new() -> Nearest {
        let found = load();
        store(MXCSR);
        Nearest { found }
    }
}

impl Drop for Nearest {
    fn drop(&mut self) {
        store(self.found);
    }
}

/// The control and status register of vector arithmetic.
pub(super) fn load() -> u32 {
    let mut value = 0_u32;
    // SAFETY: SSE, which every x86-64 has, has the instruction; it writes the four bytes named.
    unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut value, options(nostack, preserves_flags)) };
    value
}

/// Sets the register to what [`load`] gave, or to [`MXCSR`].
pub(super) fn store(value: u32) {
    // SAFETY: the instruction reads four bytes; no bit is set that is reserved, as the value was
    // read from the register or is a constant. Rust's own environment is what `MXCSR` sets, but for
    // the flags, which nothing in Rust reads.
    unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const value, options(nostack)) };
}
