//! Why a request is not answered with what it asked for, and what the user is told of it.

use talaria_wire::identity::Refusal;
use tracing::warn;

use crate::certificate::BadCsr;
use crate::store::StoreError;

/// Why a request is not answered with what it asked for.
#[derive(Debug)]
pub(super) enum Failure {
    Refused(Refusal),
    Store(StoreError),
    Authority(rcgen::Error),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<BadCsr> for Failure {
    fn from(_: BadCsr) -> Self {
        Self::Refused(Refusal::BadCsr)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Taken => Self::Refused(Refusal::NameTaken),
            StoreError::BadToken => Self::Refused(Refusal::BadToken),
            // It was there when the request began: the operator or the user was faster.
            StoreError::NoSuchUser => Self::Refused(Refusal::Unavailable),
            error => Self::Store(error),
        }
    }
}

impl From<rcgen::Error> for Failure {
    fn from(error: rcgen::Error) -> Self {
        Self::Authority(error)
    }
}

impl Failure {
    /// What the user is told; what is nobody's fault but the service's is logged.
    pub(super) fn refusal(self) -> Refusal {
        match self {
            Self::Refused(refusal) => refusal,
            Self::Store(error) => {
                warn!(%error, "the database of users failed");
                Refusal::Unavailable
            }
            Self::Authority(error) => {
                warn!(%error, "a certificate could not be made");
                Refusal::Unavailable
            }
        }
    }
}
