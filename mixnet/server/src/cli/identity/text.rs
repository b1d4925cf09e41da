//! Replies as people read them.

use talaria_identity::control::{Reply, TokenInfo, UserInfo};
use talaria_identity::store::UserStatus;
use talaria_wire::UnixMillis;
use talaria_wire::network_file::show_time;

/// A line.
pub(super) fn of(reply: &Reply) -> String {
    match reply {
        Reply::User(user) => user_line(user),
        Reply::NewToken { token, expires_s } => format!("{token}  until {}", time(*expires_s)),
        Reply::Token(token) => token_line(token),
        Reply::Clock { now_ms, doubt: None } => {
            format!("{}, and the service believes it", show_time(UnixMillis(*now_ms)))
        }
        Reply::Clock { now_ms, doubt: Some(doubt) } => format!(
            "{}, which the service does not believe: {doubt}. Nothing is written. Set the clock; or, if \
             it is right, say so with --accept-clock",
            show_time(UnixMillis(*now_ms))
        ),
        Reply::Restored { entries } => format!("{entries} entries"),
        Reply::Backup(_) | Reply::Done {} => String::new(),
        Reply::Error(why) => why.clone(),
    }
}

fn user_line(user: &UserInfo) -> String {
    let status = match user.status {
        UserStatus::Active => "enabled",
        UserStatus::Disabled => "disabled",
        UserStatus::Deleted => "deleted",
    };
    let UserInfo { name, key, registered_s, .. } = user;
    format!("{name:<32}  {status:<8}  since {}  key {key}", time(*registered_s))
}

fn token_line(token: &TokenInfo) -> String {
    let TokenInfo { id, expires_s, used_s, .. } = token;
    match used_s {
        Some(used_s) => format!("{id}  used {}", time(*used_s)),
        None => format!("{id}  until {}", time(*expires_s)),
    }
}

fn time(seconds: u64) -> String {
    show_time(UnixMillis(seconds.saturating_mul(1000)))
}
