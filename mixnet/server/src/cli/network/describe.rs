//! A network file in words, and what is different in the next version.

use std::fmt::Write as _;

use serde_json::{Value, json};
use talaria_wire::network_file::{HopInfo, IdentityInfo, NetworkFile, Noise, Terms, show_time};

/// Everything in a network file, and who has signed it.
pub(super) fn summary(file: &NetworkFile) -> String {
    let (terms, version) = (file.terms(), file.version());
    let mut text = format!(
        "Network {}, version {}\n  id       {}\n  version  {}\n",
        terms.name, version.sequence, version.network, version.hash
    );
    let validity = terms.validity;
    let _ =
        writeln!(text, "  valid    {} to {}", show_time(validity.from), show_time(validity.until));
    for (name, value) in settings(terms) {
        let _ = writeln!(text, "  {name:<8} {value}");
    }
    let identity = &terms.identity;
    let key = hex::encode(identity.key.to_bytes());
    let _ = writeln!(text, "  identity {}\n           directory key {key}", identity.address);
    let servers = std::iter::once(("entry".to_owned(), &terms.entry.address));
    let hops = (1..).zip(&terms.hops).map(|(i, hop)| (format!("hop {i}"), &hop.address));
    for ((name, address), (signer, key)) in servers.chain(hops).zip(file.signers()) {
        let signed = if file.is_signed_by(&key) { "signed" } else { "NOT SIGNED" };
        let key = hex::encode(key.to_bytes());
        let operator = signer.operator;
        let _ = writeln!(text, "  {name:<8} {operator}, {address}, {signed}\n           key {key}");
    }
    text
}

fn settings(terms: &Terms) -> Vec<(&'static str, String)> {
    vec![
        ("rounds", format!("{} ms", terms.period_ms)),
        ("lanes", terms.lanes.to_string()),
        ("dialing", format!("every {} rounds", terms.dialing_every)),
        ("epochs", format!("{} rounds", terms.epoch_rounds)),
        ("noise", noise(terms.noise)),
    ]
}

fn noise(noise: Noise) -> String {
    if noise.onions == 0 {
        return "none: active attacks are not covered up".to_owned();
    }
    let alpha = f64::from(noise.alpha_tenths) / 10.0;
    let mut text = format!("{} onions a hop and round, alpha {alpha:.1}", noise.onions);
    if let Some(goal) = noise.goal {
        let epsilon = f64::from(goal.epsilon_millionths) / 1e6;
        let delta = f64::from(goal.delta_billionths) / 1e9;
        let rounds = goal.charged_rounds;
        let _ = write!(text, "; goal: epsilon {epsilon}, delta {delta:e}, {rounds} charged rounds");
    }
    text
}

/// What a signer has to look at: one line for each difference.
pub(super) fn changes(before: &Terms, after: &Terms) -> Vec<String> {
    let mut lines = Vec::new();
    let mut differ = |what: &str, old: String, new: String| {
        if old != new {
            lines.push(format!("{what}: {old} -> {new}"));
        }
    };
    differ("name", before.name.clone(), after.name.clone());
    differ("valid until", show_time(before.validity.until), show_time(after.validity.until));
    for ((name, old), (_, new)) in settings(before).into_iter().zip(settings(after)) {
        differ(name, old, new);
    }
    let entry = |terms: &Terms| {
        let entry = &terms.entry;
        let ca = blake3_of(&entry.ca);
        let key = hex::encode(entry.identity.to_bytes());
        format!("{}, {}, key {key}, certificate authority {ca}", entry.operator, entry.address)
    };
    differ("entry", entry(before), entry(after));
    let identity = |terms: &Terms| {
        let IdentityInfo { address, key } = &terms.identity;
        format!("{address}, directory key {}", hex::encode(key.to_bytes()))
    };
    differ("identity service", identity(before), identity(after));
    let place = |hops: &[HopInfo], i: usize| hops.get(i).map_or("none".to_owned(), hop);
    for i in 0..before.hops.len().max(after.hops.len()) {
        differ(&format!("hop {}", i + 1), place(&before.hops, i), place(&after.hops, i));
    }
    if lines.is_empty() {
        lines.push("nothing changes".to_owned());
    }
    lines
}

fn hop(hop: &HopInfo) -> String {
    format!("{}, {}, key {}", hop.operator, hop.address, hex::encode(hop.identity.to_bytes()))
}

fn blake3_of(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().chars().take(16).collect()
}

/// The same for programs.
pub(super) fn summary_object(file: &NetworkFile) -> Value {
    let (terms, version) = (file.terms(), file.version());
    let addresses =
        std::iter::once(&terms.entry.address).chain(terms.hops.iter().map(|hop| &hop.address));
    let servers = file.signers().zip(addresses).map(|((signer, key), address)| {
        json!({
            "hop": signer.hop.map(|hop| u16::from(hop.0) + 1),
            "operator": signer.operator,
            "address": address,
            "identity": hex::encode(key.to_bytes()),
            "signed": file.is_signed_by(&key),
        })
    });
    let noise = terms.noise;
    json!({
        "name": terms.name,
        "network": version.network.to_string(),
        "sequence": version.sequence,
        "version": version.hash.to_string(),
        "previous": terms.previous.map(|previous| previous.to_string()),
        "valid_from": show_time(terms.validity.from),
        "valid_until": show_time(terms.validity.until),
        "period_ms": terms.period_ms.get(),
        "lanes": terms.lanes,
        "dialing_every": terms.dialing_every,
        "epoch_rounds": terms.epoch_rounds,
        "noise_onions": noise.onions,
        "alpha": f64::from(noise.alpha_tenths) / 10.0,
        "epsilon": noise.goal.map(|goal| f64::from(goal.epsilon_millionths) / 1e6),
        "delta": noise.goal.map(|goal| f64::from(goal.delta_billionths) / 1e9),
        "charged_rounds": noise.goal.map(|goal| goal.charged_rounds),
        "identity_address": terms.identity.address,
        "directory_key": hex::encode(terms.identity.key.to_bytes()),
        "servers": servers.collect::<Vec<_>>(),
    })
}
