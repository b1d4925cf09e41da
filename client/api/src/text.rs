//! What somebody says.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What somebody says: any characters, to be [tamed](crate::tame) before it is printed. It does
/// not print itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text(pub String);

impl Text {
    /// The characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Event, Request, Token};

    #[test]
    fn what_is_said_does_not_print_itself() {
        let (conversation, text) = ("bob".to_owned(), Text("secret".to_owned()));
        let say = Request::Say {
            token: Token(1),
            conversation: conversation.clone(),
            text: text.clone(),
        };
        insta::assert_snapshot!(format!("{say:?}"), @r#"Say { token: Token(1), conversation: "bob", text: Text(6 bytes) }"#);
        let (id, from) = (3, conversation.clone());
        let repeated = Event::Repeated { id, from, text, round: 4, sent_ms: 5, conversation };
        insta::assert_snapshot!(format!("{repeated:?}"), @r#"Repeated { id: 3, from: "bob", text: Text(6 bytes), round: 4, sent_ms: 5, conversation: "bob" }"#);
    }
}
