//! The commented configuration that a set-up writes for each role.

use std::net::SocketAddr;

const LOG: &str = "\
#log = \"warn\"                     # error, warn, info or debug; TALARIA_LOG comes before it\n";

const LIMITS: &str = "\
# What clients and peers may make this process hold; these are the defaults.
#[limits]
#max_clients = 20000
#max_onions = 1000000
#threads = 2          # all cores if not given
";

/// The entry's and the identity service's; the entry's files are in `folder`, which ends with a
/// slash or is empty.
pub(super) fn entry_toml(listen: SocketAddr, identity: SocketAddr, folder: &str) -> String {
    let identity = identity_toml(identity);
    format!(
        "# The entry of a Talaria network. Start it with: talariad run --config entry.toml\n\
         # Paths are relative to this file.\n\
         network = \"network.toml\"         # signed by all operators\n{LOG}\n\
         [entry]\n\
         listen = \"{listen}\"                 # where clients connect\n\
         identity = \"{folder}identity.key\"            # shown to the first hop\n\
         tls_certificate = \"{folder}tls.pem\"          # signed by the network's authority\n\
         tls_key = \"{folder}tls.key\"\n\
         state = \"{folder}state\"                      # the newest network file that it ran with\n\n\
         {identity}\n\
         {LIMITS}"
    )
}

/// What is not given in `limits` is the default.
fn identity_toml(listen: SocketAddr) -> String {
    format!(
        "[identity]                        # users, their certificates and their directory\n\
         listen = \"{listen}\"                 # where users register and log in\n\
         database = \"identity/users.db\"   # or a URL: postgres://user:password@host/database\n\
         authority = \"ca.pem\"\n\
         authority_key = \"ca.key\"          # signs certificates of users\n\
         tls_certificate = \"identity/tls.pem\"\n\
         tls_key = \"identity/tls.key\"\n\
         head_key = \"identity/head.key\"   # signs the directory: the network file names it\n\
         opaque_key = \"identity/opaque.key\" # without it nobody can log in any more\n\
         control = \"identity/control.sock\" # for talariad user, token, backup and restore\n\
         registrations = \"open\"           # or \"token\", or \"closed\"\n\
         #[identity.limits]                # what users may ask for; these are the defaults\n\
         #max_connections = 20000\n\
         #max_per_address = 1000           # IPv6: in a network of 64 bits\n\
         #idle_s = 60\n\
         #max_requests = 10000             # on one connection\n\
         #registrations_per_hour = 240     # that one address begins\n\
         #requests_per_minute = 600        # of one address, beside those of the next line\n\
         #pages_per_minute = 6000          # of the directory, and records of ledgers\n\
         #changes_per_day = 24             # of one name, in the directory\n"
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
         network = \"network.toml\"         # signed by all operators\n{LOG}\n\
         [[hop]]\n\
         {place}listen = \"{listen}\"                 # where the server before it connects\n\
         identity = \"{folder}identity.key\"            # shown on its links\n\
         rounds = \"{folder}rounds\"                    # the last round and the newest network\n\
         \x20                                           # file: never delete it while the network\n\
         \x20                                           # runs\n\n{LIMITS}"
    )
}
