//! Another certificate for the same key: no password is needed.

use talaria_client::certificate::signing_request;
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::identity::directory::Cause;
use talaria_wire::identity::proof::{EXPORTER_LEN, Renewal};
use talaria_wire::identity::{Request, Response};

use crate::error::AccountError;
use crate::issued::{Issued, Me};

/// Asks for another certificate for the same key, on the connection whose TLS exporter gives
/// `exporter`. No password is needed.
///
/// # Panics
/// Never: see [`signing_request`].
#[must_use]
pub fn renew(me: &Me, secret: &IdentitySecret, exporter: &[u8; EXPORTER_LEN]) -> Request {
    let csr = signing_request(&me.name, secret);
    let renewal = Renewal { network: &me.network, exporter, csr: &csr };
    let signature = renewal.sign(secret).to_vec().into();
    Request::Renew { name: me.name.as_str().to_owned(), csr: csr.into(), signature }
}

/// Takes the answer to [`renew`].
///
/// # Errors
/// [`AccountError`] if the service has refused.
pub fn renewed(
    me: &Me,
    secret: &IdentitySecret,
    response: Response,
) -> Result<Issued, AccountError> {
    Issued::take(response, &me.name, secret.public(), Cause::Renewed)
}
