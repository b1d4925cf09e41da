//! The commented configuration that a set-up writes for each role.

use std::net::SocketAddr;

const LIMITS: &str = "\
# What clients and peers may make this process hold; these are the defaults.
#[limits]
#max_clients = 20000
#max_onions = 1000000
#threads = 2          # all cores if not given
";

/// The entry's; its files are in `folder`, which ends with a slash or is empty.
pub(super) fn entry_toml(listen: SocketAddr, folder: &str) -> String {
    format!(
        "# The entry of a Talaria network. Start it with: talariad run --config entry.toml\n\
         # Paths are relative to this file.\n\
         network = \"network.toml\"         # signed by all operators\n\n\
         [entry]\n\
         listen = \"{listen}\"                 # where clients connect\n\
         identity = \"{folder}identity.key\"            # shown to the first hop\n\
         tls_certificate = \"{folder}tls.pem\"          # signed by the network's authority\n\
         tls_key = \"{folder}tls.key\"\n\
         state = \"{folder}state\"                      # the newest network file that it ran with\n\n\
         {LIMITS}"
    )
}

/// A hop's, called `name`; without a place it is the one that the network file has for its key.
pub(super) fn hop_toml(name: &str, place: Option<u8>, listen: SocketAddr, folder: &str) -> String {
    let place = match place {
        Some(place) => {
            format!("place = {place}                               # in the chain, from 1\n")
        }
        None => String::new(),
    };
    format!(
        "# A hop of a Talaria network. Start it with: talariad run --config {name}.toml\n\
         # Paths are relative to this file.\n\
         network = \"network.toml\"         # signed by all operators\n\n\
         [[hop]]\n\
         {place}listen = \"{listen}\"                 # where the server before it connects\n\
         identity = \"{folder}identity.key\"            # shown on its links\n\
         rounds = \"{folder}rounds\"                    # the last round and the newest network\n\
         \x20                                           # file: never delete it while the network\n\
         \x20                                           # runs\n\n{LIMITS}"
    )
}
