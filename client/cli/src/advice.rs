//! What can be done about something with the commands of this program: libraries and the words
//! that all faces share say what is wrong, and no more.

use talaria_api::{Code, Event, Stage, Trust, words};
use talaria_daemon::ServiceError;
use talaria_store::HomeError;

const COMPARE_DIRECTORY: &str = ": compare `talaria whoami` with others, and do not trust new keys \
    until its operator has explained this";

/// What to add to an error of a home, if there is something.
fn on_home(error: &HomeError) -> String {
    match error {
        HomeError::NoAccount(_) => ": make one with `talaria register NAME --network FILE`, or \
             bring yours here with `talaria login NAME --network FILE`"
            .to_owned(),
        HomeError::AccountExists(_) => {
            ": choose another --home, or `talaria logout` first".to_owned()
        }
        HomeError::OldFormat(_) => {
            ": use another --home, or remove it, and then `talaria register \
             NAME --network FILE`"
                .to_owned()
        }
        HomeError::BadAccountFile(_) | HomeError::NoDatabase(_) | HomeError::Damaged(_) => {
            ", and `talaria login NAME` in another --home gets the account itself back".to_owned()
        }
        HomeError::OtherPassword => {
            ". `talaria logout` here, then `talaria login NAME`; what this \
             home remembers is lost with it"
                .to_owned()
        }
        HomeError::InUse(_) => ": end it first, or choose another --home".to_owned(),
        HomeError::NoNetwork => {
            ": add --network FILE, which the operator of the network gives out".to_owned()
        }
        HomeError::Elsewhere { .. } => ", so register there in another --home".to_owned(),
        HomeError::Superseded(name) => format!(
            ": to go on here, `talaria logout` and then `talaria login {name}`; what this home \
             remembers is lost with that"
        ),
        HomeError::KeyChanged(name) => format!(
            ": ask them, then compare the safety number with `talaria verify {name}` and accept it \
             with `talaria verify {name} --accept`"
        ),
        HomeError::Directory(_) => COMPARE_DIRECTORY.to_owned(),
        _ => String::new(),
    }
}

/// An error of a home, and what to do about it.
pub(crate) fn home(error: &HomeError) -> String {
    format!("{error}{}", on_home(error))
}

/// An error about the identity service, and what to do about it.
pub(crate) fn service(error: &ServiceError) -> String {
    let advice = match error {
        ServiceError::HomeNotWritten(_) => ": mend that, and then use `talaria login`".to_owned(),
        ServiceError::Home(error) => on_home(error),
        _ => String::new(),
    };
    format!("{error}{advice}")
}

/// Adds to what an event says to people.
pub(crate) fn add_to(event: &mut Event) {
    match event {
        Event::Error(trouble) if trouble.code == Code::Directory => {
            trouble.message.push_str(COMPARE_DIRECTORY);
        }
        Event::Budget { state: Stage::Spent, message, .. } => message.push_str(
            "; `talaria chat --beyond-budget` sends it, and then whoever removes onions can learn \
             that you two talk",
        ),
        Event::MayBeLost { ids, message, .. } if !ids.is_empty() => {
            message.push_str(" with /again on the screen, or with `talaria chat --again`");
        }
        _ => {}
    }
}

/// What to tell a person about an event to which [advice was added](add_to).
pub(crate) fn describe(event: &Event) -> Option<String> {
    let said = words::describe(event)?;
    Some(match event {
        Event::Contact { name, trust: Trust::Changed, .. } => format!(
            "{said}. Accept it with `talaria verify {name} --accept` or, on the screen, with /accept"
        ),
        _ => said,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use talaria_api::Trouble;
    use talaria_wire::identity::UserName;

    #[test]
    fn errors_of_a_home_name_the_command_that_helps() {
        let (path, alice) = (|| PathBuf::from("/x"), || UserName::new("alice").unwrap());
        let helps = [
            (HomeError::NoAccount(path()), "talaria register"),
            (HomeError::AccountExists(path()), "talaria logout"),
            (HomeError::OldFormat(path()), "talaria register"),
            (HomeError::BadAccountFile(path()), "talaria login"),
            (HomeError::OtherPassword, "talaria login"),
            (HomeError::InUse(path()), "--home"),
            (HomeError::NoNetwork, "--network FILE"),
            (HomeError::Elsewhere { path: path(), name: "x".to_owned() }, "another --home"),
            (HomeError::Superseded(alice()), "talaria login alice"),
            (HomeError::KeyChanged(alice()), "talaria verify alice --accept"),
        ];
        for (error, command) in helps {
            let said = error.to_string();
            assert!(!said.contains("talaria ") || said.starts_with("another talaria"), "{said}");
            assert!(!said.contains("--"), "{said}");
            assert!(home(&error).contains(command), "{said}");
            assert!(service(&ServiceError::Home(error)).contains(command));
        }
        let written = ServiceError::HomeNotWritten(HomeError::NoNetwork);
        assert!(service(&written).ends_with("`talaria login`"));
    }

    #[test]
    fn events_that_need_a_person_name_the_command() {
        let mut directory = Event::Error(Trouble::new(Code::Directory, "two stories".to_owned()));
        add_to(&mut directory);
        assert!(describe(&directory).unwrap().contains("talaria whoami"));
        let changed = Event::Contact {
            name: "bob".to_owned(),
            trust: Trust::Changed,
            safety_number: "12345".to_owned(),
            compared_before: false,
            conversation: "bob".to_owned(),
        };
        let said = describe(&changed).unwrap();
        assert!(said.contains("talaria verify bob --accept") && said.contains("/accept"), "{said}");
    }
}
