//! Names that TLS connections agree on, the same in every network and on both sides.
//!
//! They are not sent in the clear (no SNI), so a connection does not say what it is for.

/// The name in the certificate of every entry.
pub const ENTRY_NAME: &str = "entry.talaria";
/// The name in the certificate of every identity service.
pub const IDENTITY_NAME: &str = "talaria-identity";
/// What a link's near side calls its far side; nobody looks at it, since keys are raw (RFC 7250) and
/// in the network file.
pub const LINK_NAME: &str = "link.talaria";
/// The protocol between a client and the entry (ALPN, RFC 7301).
pub const ALPN_CLIENT: &[u8] = b"talaria/1";
/// The protocol on a link between servers.
pub const ALPN_LINK: &[u8] = b"talaria-link/1";
