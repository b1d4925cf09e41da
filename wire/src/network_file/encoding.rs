//! The bytes that stand for the terms: what is hashed, and so what is signed.
//!
//! Texts have their length in front and every other field a fixed one, so two different terms
//! have different bytes. `PROTOCOL.md`, section 11, has the table.

use super::{EntryInfo, HopInfo, IdentityInfo, NETWORK_FILE_VERSION, Noise, Terms, VersionHash};
use crate::crypto::kdf::{Label, derive};
use crate::params::UnixMillis;

impl Terms {
    /// The canonical encoding.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![NETWORK_FILE_VERSION];
        put_text(&mut out, &self.name);
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&self.origin.map_or([0; 32], |origin| origin.0));
        out.extend_from_slice(&self.previous.map_or([0; 32], |previous| previous.0));
        put_seconds(&mut out, self.validity.from);
        put_seconds(&mut out, self.validity.until);
        out.extend_from_slice(&self.period_ms.get().to_be_bytes());
        out.push(self.lanes);
        out.extend_from_slice(&self.dialing_every.to_be_bytes());
        put_noise(&mut out, self.noise);
        out.extend_from_slice(&self.epoch_rounds.to_be_bytes());
        put_entry(&mut out, &self.entry);
        put_identity(&mut out, &self.identity);
        out.push(u8::try_from(self.hops.len()).unwrap_or(u8::MAX));
        for hop in &self.hops {
            put_hop(&mut out, hop);
        }
        out
    }

    /// The hash of the canonical encoding.
    #[must_use]
    pub fn hash(&self) -> VersionHash {
        VersionHash(derive(Label::NetworkVersion, &[&self.to_bytes()]))
    }
}

fn put_noise(out: &mut Vec<u8>, noise: Noise) {
    out.extend_from_slice(&noise.onions.to_be_bytes());
    out.push(noise.alpha_tenths);
    let goal = noise.goal;
    out.extend_from_slice(&goal.map_or(0, |goal| goal.epsilon_millionths).to_be_bytes());
    out.extend_from_slice(&goal.map_or(0, |goal| goal.delta_billionths).to_be_bytes());
    out.extend_from_slice(&goal.map_or(0, |goal| goal.charged_rounds).to_be_bytes());
}

pub(super) fn put_entry(out: &mut Vec<u8>, entry: &EntryInfo) {
    put_text(out, &entry.operator);
    put_text(out, &entry.address);
    out.extend_from_slice(&entry.identity.to_bytes());
    out.extend_from_slice(blake3::hash(&entry.ca).as_bytes());
}

pub(super) fn put_identity(out: &mut Vec<u8>, identity: &IdentityInfo) {
    put_text(out, &identity.address);
    out.extend_from_slice(&identity.key.to_bytes());
}

pub(super) fn put_hop(out: &mut Vec<u8>, hop: &HopInfo) {
    put_text(out, &hop.operator);
    put_text(out, &hop.address);
    out.extend_from_slice(&hop.identity.to_bytes());
}

/// Names and addresses have at most 255 bytes.
fn put_text(out: &mut Vec<u8>, text: &str) {
    out.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(text.as_bytes());
}

fn put_seconds(out: &mut Vec<u8>, time: UnixMillis) {
    out.extend_from_slice(&(time.0 / 1000).to_be_bytes());
}
