//! The verbs of operators, as a shell sees them: keys, signing, versions, and every refusal.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use talaria_tests::real::{Running, command, run};
use talaria_wire::UnixMillis;
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::network_file::NetworkFile;

/// A folder in which several operators work.
struct Workshop {
    folder: tempfile::TempDir,
}

impl Workshop {
    /// An entry and three hops, the third of which is not in the network.
    fn new() -> Self {
        let workshop = Self { folder: tempfile::tempdir().unwrap() };
        workshop.talariad("entry init --data eve --operator Eve --listen 127.0.0.1:7400");
        for (i, who) in ["bob", "carol", "dave"].into_iter().enumerate() {
            let listen = 7401 + i;
            workshop.talariad(&format!(
                "hop init --data {who} --operator {who} --listen 127.0.0.1:{listen}"
            ));
        }
        workshop.talariad(
            "network new --name Test --entry eve/entry-public.toml --hop bob/hop-public.toml \
             --hop carol/hop-public.toml --out network.toml",
        );
        workshop
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &str) -> (Option<i32>, String, String) {
        let mut command = command("talariad");
        command.current_dir(&self.folder).args(arguments.split_whitespace());
        let (status, output, errors) = run(&mut command);
        (status.code(), output, errors)
    }

    fn talariad(&self, arguments: &str) -> String {
        let (code, output, errors) = self.run(arguments);
        assert_eq!(code, Some(0), "{arguments}: {errors}");
        output
    }

    fn json(&self, arguments: &str) -> Value {
        serde_json::from_str(&self.talariad(&format!("{arguments} --json"))).unwrap()
    }

    fn fails(&self, arguments: &str, with: &str) {
        let (code, _, errors) = self.run(arguments);
        assert_eq!(code, Some(1), "{arguments}");
        assert!(errors.starts_with("error: ") && errors.contains(with), "{arguments}: {errors}");
    }

    fn sign(&self, file: &str, who: &[&str], more: &str) {
        for who in who {
            self.talariad(&format!("network sign {file} --key {who}/identity.key --yes {more}"));
        }
    }

    /// Signs with the operators' keys what no verb would make.
    fn forge(&self, from: &str, to: &str, who: &[&str], change: impl Fn(&str) -> String) {
        let text = change(&fs::read_to_string(self.path(from)).unwrap());
        let mut file =
            NetworkFile::new(NetworkFile::parse(&text).unwrap().terms().clone()).unwrap();
        for who in who {
            let key = fs::read_to_string(self.path(&format!("{who}/identity.key"))).unwrap();
            let bytes: [u8; 32] = hex::decode(key.trim()).unwrap().try_into().unwrap();
            file.sign(&IdentitySecret::from_bytes(&bytes).unwrap());
        }
        fs::write(self.path(to), file.to_toml()).unwrap();
    }
}

const ALL: &[&str] = &["eve", "bob", "carol"];

#[test]
fn keys_are_private_and_kept() {
    let w = Workshop::new();
    for who in ["eve", "bob"] {
        let mode = fs::metadata(w.path(who).join("identity.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let before = w.json("network show network.toml")["servers"][1]["identity"].clone();
    let again = w.json("hop init --data bob --operator Robert --listen 127.0.0.1:1");
    assert_eq!((&again["identity"], &again["kept_key"]), (&before, &true.into()));
    assert_eq!(again["operator"], "Robert");
    let said = w.talariad("hop init --data bob --operator bob --listen 127.0.0.1:7401");
    assert!(said.contains("kept") && said.contains("Back up identity.key"));
    w.fails("hop init --data x --operator x --listen 0.0.0.0:7401", "add --address");
    w.fails("hop init --data x --operator _ --listen 127.0.0.1:1", "is not a name");
}

#[test]
fn nothing_is_signed_unseen_and_all_have_to_sign() {
    let w = Workshop::new();
    w.fails("network sign network.toml --key bob/identity.key", "add --yes");
    assert!(w.run("network sign network.toml --key bob/identity.key").1.contains("hop 2    carol"));
    w.fails("network sign network.toml --key dave/identity.key --yes", "none of its operators");
    w.fails("network verify network.toml", "not signed by Eve (entry), bob (hop 1), carol (hop 2)");
    w.fails("check-config bob/hop.toml", "network.toml");

    // Two sign copies, and the copies are put together.
    fs::copy(w.path("network.toml"), w.path("copy.toml")).unwrap();
    w.sign("network.toml", &["eve", "bob"], "");
    w.fails("network verify network.toml", "not signed by carol (hop 2)");
    w.sign("copy.toml", &["carol"], "");
    w.talariad("network merge network.toml copy.toml");
    let object = w.json("network verify network.toml");
    assert_eq!((&object["event"], &object["sequence"]), (&"network_verified".into(), &1.into()));
    assert!(object["servers"].as_array().unwrap().iter().all(|server| server["signed"] == true));

    let text = fs::read_to_string(w.path("network.toml")).unwrap();
    fs::write(w.path("changed.toml"), text.replace("127.0.0.1:7402", "127.0.0.1:9999")).unwrap();
    w.fails("network verify changed.toml", "changed after signing");
    w.fails("network sign changed.toml --key bob/identity.key --yes", "changed after signing");
    w.fails("network merge network.toml changed.toml", "does not say the same");
}

#[test]
fn drafts_can_be_changed_and_files_are_not_overwritten_in_silence() {
    let w = Workshop::new();
    w.sign("network.toml", &["eve"], "");
    let said = w.talariad("network add-hop network.toml --hop dave/hop-public.toml --at 1");
    assert!(said.contains("hop 1    dave") && said.contains("signatures that it had"));
    w.fails("network add-hop network.toml --hop dave/hop-public.toml", "stands twice");
    w.fails("network add-hop network.toml --hop eve/entry-public.toml", "public part of an entry");
    let new =
        "network new --entry eve/entry-public.toml --hop bob/hop-public.toml --out network.toml";
    w.fails(new, "is there already");
    assert!(w.talariad(&format!("{new} --force")).contains("Replaced"));
    let object = w.json(&format!("{new} --force"));
    assert_eq!((&object["noise_onions"], &object["alpha"]), (&5668.into(), &2.4.into()));
    assert_eq!(object["charged_rounds"], 10_000);
    let noisy = "--noise-onions 1846 --noise-alpha 2.6 --epsilon 0.693147 --delta 1e-4 \
                 --charged-rounds 1000";
    let object = w.json(&format!("{new} --force {noisy}"));
    assert_eq!((&object["noise_onions"], &object["alpha"]), (&1846.into(), &2.6.into()));
    assert_eq!((&object["delta"], &object["charged_rounds"]), (&1e-4.into(), &1000.into()));
    w.fails(&format!("{new} --force --noise-onions 7"), "has to be an even number");
    w.fails(&format!("{new} --force --lanes 17"), "`lanes` has to be 1 to 16");
    assert_eq!(w.run(&format!("{new} --epsilon 1")).0, Some(2));
    let stolen = fs::read_to_string(w.path("bob/hop-public.toml")).unwrap();
    fs::write(w.path("stolen.toml"), stolen.replace("7401", "7499")).unwrap();
    w.fails("network add-hop network.toml --hop stolen.toml", "not signed by its own key");
}

#[test]
fn the_identity_service_is_the_entrys_and_moves_with_a_version() {
    let w = Workshop::new();
    let entry = "entry init --data eve --operator Eve --listen 127.0.0.1:7400";
    let made = w.json(entry);
    let shown = w.json("network show network.toml");
    assert_eq!(made["identity_address"], "127.0.0.1:7401");
    assert_eq!(shown["identity_address"], made["identity_address"]);
    assert_eq!(shown["directory_key"], made["directory_key"]);
    let mode = fs::metadata(w.path("eve/identity/head.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    w.fails(
        "entry init --data eve --operator Eve --listen 127.0.0.1:65535",
        "add --identity-address",
    );
    w.fails(&format!("{entry} --identity-address nowhere"), "not an address of the form host:port");

    w.sign("network.toml", ALL, "");
    let moved = "--identity-address id.example:7500 --out next.toml";
    w.talariad(&format!("network next network.toml {moved}"));
    let previous = "--previous network.toml";
    let said =
        w.talariad(&format!("network sign next.toml {previous} --key bob/identity.key --yes"));
    assert!(said.contains("! identity service: 127.0.0.1:7401, directory key"), "{said}");
    assert!(said.contains("-> id.example:7500"), "{said}");

    // Another folder is another key, which comes with the entry's public part.
    w.talariad("entry init --data mallory --operator Mallory --listen 127.0.0.1:7400");
    let replace = "--entry mallory/entry-public.toml --out other.toml";
    let other = w.json(&format!("network next network.toml {replace}"));
    assert_ne!(other["directory_key"], made["directory_key"]);
    assert_eq!(other["changes"].as_array().unwrap().len(), 2, "{other}");
}

#[test]
fn the_next_version_needs_those_who_leave() {
    let w = Workshop::new();
    w.sign("network.toml", ALL, "");
    w.talariad("network next network.toml --replace 2 dave/hop-public.toml --out next.toml");
    w.fails("network sign next.toml --key bob/identity.key --yes", "add --previous");
    let previous = "--previous network.toml";
    let said =
        w.talariad(&format!("network sign next.toml {previous} --key bob/identity.key --yes"));
    assert!(said.contains("! hop 2: carol") && said.contains("-> dave"), "{said}");
    w.sign("next.toml", &["eve", "dave"], previous);
    w.talariad("network verify next.toml");
    w.fails(&format!("network verify next.toml {previous}"), "carol (hop 2), who was an operator");
    w.sign("next.toml", &["carol"], previous);
    let object = w.json(&format!("network verify next.toml {previous}"));
    assert_eq!(object["changes"].as_array().unwrap().len(), 1);

    w.fails("network verify network.toml --previous next.toml", "version 2 is known already");
    w.fails(
        "network sign network.toml --previous next.toml --key bob/identity.key --yes",
        "version 2",
    );
    let all = &["eve", "bob", "carol", "dave"];
    w.forge("next.toml", "fork.toml", all, |text| text.replace("lanes = 1", "lanes = 2"));
    w.fails("network verify fork.toml --previous next.toml", "two different network files");
    w.talariad("network next fork.toml --out third.toml");
    w.fails(
        "network sign third.toml --previous next.toml --key bob/identity.key --yes",
        "not follow",
    );
    w.fails("network next network.toml --remove 3 --out no.toml", "no place 3 in the chain");
    let smaller = w.json("network next network.toml --remove 1 --out smaller.toml");
    assert_eq!(smaller["servers"].as_array().unwrap().len(), 2);
}

#[test]
fn servers_refuse_what_is_unsigned_old_or_expired() {
    let w = Workshop::new();
    let install = |file: &str| fs::copy(w.path(file), w.path("bob/network.toml")).unwrap();
    install("network.toml");
    w.fails("check-config bob/hop.toml", "not signed by Eve (entry)");
    w.sign("network.toml", ALL, "");
    install("network.toml");
    assert!(w.talariad("check-config bob/hop.toml").contains("hop 1 on 127.0.0.1:7401"));

    let hour = UnixMillis(1_000_000_000_000);
    w.forge("network.toml", "expired.toml", ALL, |text| {
        let mut terms = NetworkFile::parse(text).unwrap().terms().clone();
        (terms.validity.from, terms.validity.until) = (hour, hour.plus(3_600_000));
        NetworkFile::new(terms).unwrap().to_toml()
    });
    install("expired.toml");
    w.fails("check-config bob/hop.toml", "valid until 2001-09-09T02:46:40Z; ask the operator");

    // Whoever has another key than the file says is told which.
    fs::copy(w.path("network.toml"), w.path("dave/network.toml")).unwrap();
    w.fails("check-config dave/hop.toml", "no hop with the key in dave/identity.key");
}

#[test]
fn a_server_ends_when_its_network_file_expires() {
    let w = Workshop::new();
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    w.forge("network.toml", "bob/network.toml", ALL, |text| {
        let mut terms = NetworkFile::parse(text).unwrap().terms().clone();
        terms.validity.until = UnixMillis((seconds + 5) * 1000);
        terms.hops[0].address = "127.0.0.1:0".to_owned();
        NetworkFile::new(terms).unwrap().to_toml()
    });
    let config = w.path("bob/hop.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("127.0.0.1:7401", "127.0.0.1:0")).unwrap();
    let mut run = command("talariad");
    let errors = fs::File::create(w.path("errors")).unwrap();
    let mut hop = Running::start(run.arg("run").arg("--config").arg(config).stderr(errors));
    assert_eq!(hop.wait().code(), Some(1));
    let errors = fs::read_to_string(w.path("errors")).unwrap();
    assert!(
        errors.contains("agree on the next version") && errors.contains("has expired"),
        "{errors}"
    );
    assert!(hop.printed.last().unwrap().starts_with("Stopped"));
}
