//! A login ends with the password or the key that it was made with, wherever it had got to.

use serde_bytes::ByteBuf;
use talaria_opaque::Registration;
use talaria_wire::identity::ExportKey;

use super::*;

/// A user on a connection that is logged in.
async fn logged_in<S: Store>(
    service: &Arc<Service<S>>,
    user: &mut TestUser,
) -> (Direct<S>, u64, ExportKey) {
    let mut to = Direct::new(service);
    let (answer, export) = user.login(&mut to).await;
    let Response::LoggedIn { key_since, .. } = answer else { panic!("{answer:?}") };
    (to, key_since, export)
}

/// A change of the password that lacks its last message.
async fn begin_change(
    to: &mut impl Talk,
    user: &mut TestUser,
    password: &str,
) -> (Registration, Response) {
    password.clone_into(&mut user.password);
    let (registration, start) = user.register_start(None);
    let Request::RegisterStart { request, .. } = start else { unreachable!() };
    (registration, to.ask(Request::ChangePasswordStart { request }).await)
}

async fn finish_change(
    to: &mut impl Talk,
    user: &mut TestUser,
    (registration, answer): (Registration, Response),
) -> Response {
    let (upload, wrapped_key) = user.upload(registration, answer);
    to.ask(Request::ChangePasswordFinish { upload, wrapped_key }).await
}

async fn change_password<S: Store>(
    service: &Arc<Service<S>>,
    user: &mut TestUser,
    password: &str,
) -> Direct<S> {
    let (mut to, ..) = logged_in(service, user).await;
    let begun = begin_change(&mut to, user, password).await;
    assert!(matches!(finish_change(&mut to, user, begun).await, Response::Done {}));
    to
}

/// What the service keeps wrapped opens with the user's password, and is the user's key.
async fn has_key<S: Store>(service: &Arc<Service<S>>, user: &mut TestUser) {
    let (answer, export) = user.login(&mut Direct::new(service)).await;
    let Response::LoggedIn { wrapped_key, .. } = answer else { panic!("{answer:?}") };
    let key = export.unwrap(WrappedThing::IdentityKey, &wrapped_key).unwrap();
    assert_eq!(key[..], user.key.to_bytes()[..]);
}

/// The thief knew the password; once it is changed nothing that they hold open is of use.
async fn who_logged_in_before_can_do_nothing_any_more<S: Store>(service: &Arc<Service<S>>) {
    let mut user = TestUser::new("mallard");
    user.register(&mut Direct::new(service)).await;
    let mut thief = user.clone();
    let mut held = vec![];
    for _ in 0..5 {
        held.push(logged_in(service, &mut thief).await);
    }
    let (mut changing, ..) = held.pop().unwrap();
    let begun = begin_change(&mut changing, &mut thief, "the thief's").await;
    let mut own = change_password(service, &mut user, "a new one").await;

    let answer = finish_change(&mut changing, &mut thief, begun).await;
    assert_eq!(refused(&answer), Refusal::Unavailable);
    let (_, start) = TestUser::new("mallard").register_start(None);
    let Request::RegisterStart { request, .. } = start else { unreachable!() };
    let (_, key_since, export) = &held[0];
    let (_, rotate) = thief.rotation(*key_since, export);
    let requests = [
        Request::NewHome { csr: thief.csr() },
        Request::ChangePasswordStart { request },
        rotate,
        Request::Delete {},
    ];
    for (request, (mut to, ..)) in requests.into_iter().zip(held) {
        let kind = request.kind();
        assert_eq!(refused(&to.ask(request).await), Refusal::Unavailable, "{kind}");
    }
    has_key(service, &mut user).await;
    // Whoever has changed it goes on where they are.
    let home = own.ask(Request::NewHome { csr: user.csr() }).await;
    assert!(matches!(home, Response::Certificate { .. }), "{home:?}");
}

async fn a_login_that_began_before_does_not_end_afterwards<S: Store>(service: &Arc<Service<S>>) {
    let mut user = TestUser::new("teal");
    user.register(&mut Direct::new(service)).await;
    let mut thief = user.clone();
    let begin = async |who: &mut TestUser| {
        let mut to = Direct::new(service);
        let (login, start) = who.login_start();
        let challenge = to.ask(start).await;
        let (finish, _) = who.login_finish(login, challenge);
        (to, finish)
    };
    let (mut to, finish) = begin(&mut thief).await;
    change_password(service, &mut user, "a new one").await;
    assert_eq!(refused(&to.ask(finish).await), Refusal::WrongNameOrPassword);

    let (mut to, finish) = begin(&mut user).await;
    let (mut other, key_since, export) = logged_in(service, &mut user).await;
    let (key, rotate) = user.rotation(key_since, &export);
    assert!(matches!(other.ask(rotate).await, Response::Certificate { .. }));
    user.key = key;
    assert_eq!(refused(&to.ask(finish).await), Refusal::Unavailable);

    // A certificate is nothing that one logs in with; the newest one is given.
    let (mut to, finish) = begin(&mut user).await;
    let mut other = Direct::new(service);
    let renewal = user.renewal(&other.exporter());
    let Response::Certificate { certificate: newest, .. } = other.ask(renewal).await else {
        panic!()
    };
    let answer = to.ask(finish).await;
    assert!(matches!(answer, Response::LoggedIn { certificate, .. } if certificate == newest));

    let (mut to, finish) = begin(&mut user).await;
    service.set_enabled("teal", false, NOW).await.unwrap();
    service.set_enabled("teal", true, NOW).await.unwrap();
    assert_eq!(refused(&to.ask(finish).await), Refusal::Unavailable);
}

/// Whichever of the two is later is refused, and what is wrapped stays what belongs together.
async fn passwords_and_keys_that_change_at_once_stay_together<S: Store>(service: &Arc<Service<S>>) {
    let mut user = TestUser::new("wigeon");
    user.register(&mut Direct::new(service)).await;
    let (mut changing, ..) = logged_in(service, &mut user).await;
    let (mut rotating, key_since, export) = logged_in(service, &mut user).await;
    let password = user.password.clone();
    let begun = begin_change(&mut changing, &mut user, "a new one").await;
    let (key, rotate) = user.rotation(key_since, &export);
    assert!(matches!(rotating.ask(rotate).await, Response::Certificate { .. }));
    // The old key, wrapped under the new password.
    let late = finish_change(&mut changing, &mut user, begun).await;
    assert_eq!(refused(&late), Refusal::Unavailable);
    (user.key, user.password) = (key, password);
    has_key(service, &mut user).await;

    let (mut rotating, key_since, export) = logged_in(service, &mut user).await;
    let (_, rotate) = user.rotation(key_since, &export);
    change_password(service, &mut user, "a new one").await;
    // The new key, wrapped under the old password.
    assert_eq!(refused(&rotating.ask(rotate).await), Refusal::Unavailable);
    has_key(service, &mut user).await;
}

/// A rotation does not end the login on which it was made.
async fn changes_of_ones_own_do_not_log_out<S: Store>(service: &Arc<Service<S>>) {
    let mut user = TestUser::new("gadwall");
    user.register(&mut Direct::new(service)).await;
    let (mut to, key_since, export) = logged_in(service, &mut user).await;
    let (key, rotate) = user.rotation(key_since, &export);
    assert!(matches!(to.ask(rotate).await, Response::Certificate { .. }));
    user.key = key;
    let begun = begin_change(&mut to, &mut user, "a new one").await;
    assert!(matches!(finish_change(&mut to, &mut user, begun).await, Response::Done {}));
    has_key(service, &mut user).await;
    let csr: ByteBuf = user.csr();
    assert!(matches!(to.ask(Request::NewHome { csr }).await, Response::Certificate { .. }));
    assert!(matches!(to.ask(Request::Delete {}).await, Response::Done {}));
}

pub(super) async fn suite<S: Store>(service: &Arc<Service<S>>) {
    who_logged_in_before_can_do_nothing_any_more(service).await;
    a_login_that_began_before_does_not_end_afterwards(service).await;
    passwords_and_keys_that_change_at_once_stay_together(service).await;
    changes_of_ones_own_do_not_log_out(service).await;
}
