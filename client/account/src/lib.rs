//! What an account says to the identity service, step by step.
//!
//! Pure: every step gives the next [`Request`](talaria_wire::identity::Request) and takes the [`Response`](talaria_wire::identity::Response) to it, and is used up by
//! that. The private key is made here and leaves only wrapped under what the password gives;
//! neither that nor the password leaves at all.

mod error;
mod issued;
mod ledger;
mod login;
mod password;
mod registration;
mod renewal;

pub use error::AccountError;
pub use issued::{Issued, Me};
pub use ledger::{Kept, kept_record, replace_record};
pub use login::{LoggedIn, LoginProven, LoginSent};
pub use password::{PasswordChange, PasswordChanged};
pub use registration::{Registered, RegistrationProven, RegistrationSent};
pub use renewal::{renew, renewed};

#[cfg(test)]
mod tests;
