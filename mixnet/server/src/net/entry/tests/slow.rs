//! Clients that do not read: they lose their place, and hold nothing of anybody's.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Weak;

use talaria_mixnet::entry::admission::{ClientId, NotAdmitted, Seat, UserId};
use talaria_mixnet::entry::visit::Call;
use talaria_wire::frame::{Announcement, FrameBuffer, Outcome, Replies, Submission};
use talaria_wire::tls_names::ALPN_CLIENT;
use talaria_wire::{Hops, RoundShape};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use super::super::connection::{Connection, MAX_BEHIND};
use super::super::reception::Stranger;
use super::super::shards::Shards;
use super::*;
use crate::net::clock::now;

/// So small that a few messages fill it; the kernel takes a little more.
const SOCKET_BUFFER: u32 = 4096;
/// The most that TLS adds to a message.
const RECORD: usize = 22;
/// More than any socket buffer here holds.
const MANY: u64 = 200;

fn shape() -> RoundShape {
    RoundShape::new(Hops::new(3).unwrap(), 1).unwrap()
}

/// Both ends of connections that have just got a place.
struct Ends {
    gate: Gate,
    authority: Authority,
    clients: u64,
}

impl Ends {
    fn new() -> Self {
        let authority = Authority::new();
        let config = EntryConfig {
            shape: shape(),
            schedule: ScheduleConfig::for_period(NonZeroU64::new(2_000).unwrap()),
            max_clients: 10,
        };
        let [entry, hop, head] = keys();
        let network = network(&authority.der, [&entry, &hop, &head], "127.0.0.1:1".to_owned());
        let gate = Gate::new(config, ChainKeys::new(&network, HopIndex(0)), now());
        Self { gate, authority, clients: 0 }
    }

    async fn connect(&mut self) -> (ClientId, Arc<Connection>, FrameReader<TlsStream<TcpStream>>) {
        let user = UserId(self.clients);
        self.clients += 1;
        let own = self.authority.certify(ENTRY_NAME, ExtendedKeyUsagePurpose::ServerAuth);
        let ca = self.authority.der.clone();
        let shown = super::super::super::tls::Shown::new(own.der.clone(), &own.key_der()).unwrap();
        let tls = super::super::super::tls::entry_config(shown, ca);
        let acceptor = TlsAcceptor::from(Arc::new(tls.unwrap()));
        let connector =
            self.authority.connector(Some(&self.authority.user("anna")), &[ALPN_CLIENT]);
        let [server, client] = [TcpSocket::new_v4().unwrap(), TcpSocket::new_v4().unwrap()];
        server.set_send_buffer_size(SOCKET_BUFFER).unwrap();
        client.set_recv_buffer_size(SOCKET_BUFFER).unwrap();
        server.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = server.listen(1).unwrap();
        let tcp = client.connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let name = ServerName::try_from(ENTRY_NAME).unwrap();
        let (stream, client) =
            tokio::join!(acceptor.accept(accepted), connector.connect(name, tcp));
        let frames = FrameBuffer::new(Accepts::FromClient(shape()));
        let mut answer = Vec::new();
        let visit = self.gate.answer(now(), Ok(user), &mut answer).unwrap();
        let id = visit.client();
        let stranger = Stranger { stream: stream.unwrap(), frames };
        let connection = Arc::new(Connection::new(stranger, visit, &answer));
        (id, connection, FrameReader::new(client.unwrap(), Accepts::FromEntry(shape())))
    }
}

/// The end of `round`, with replies for `clients`, and the next round.
fn over(round: u64, clients: &[ClientId]) -> Arc<RoundOver> {
    let seats: BTreeMap<_, _> = clients
        .iter()
        .enumerate()
        .map(|(i, client)| (*client, Seat(i * shape().onions())))
        .collect();
    let slots = clients.len() * shape().onions();
    let replies = vec![7; slots * shape().reply_len()];
    let round = RoundNumber(round);
    let announced = Announcement { round: round.next(), opens_in_ms: 1, closes_in_ms: 2 };
    Arc::new(RoundOver {
        round,
        seats,
        replies: Ok(Batch::from_bytes(shape().reply_len(), replies).unwrap()),
        next: Some(Call { round: round.next(), frame: announced.to_frame().into() }),
    })
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off_after_four_messages_that_wait() {
    let mut ends = Ends::new();
    let (client, connection, mut reader) = ends.connect().await;
    let mut scratch = Vec::new();
    let mut heard = 0;
    while !connection.is_over(now()) {
        heard += 1;
        assert!(heard < MANY, "the socket takes everything");
        connection.tell(&News::Over(over(heard, &[client])), &mut scratch);
    }
    let waiting = connection.waiting_bytes();
    assert!(waiting <= usize::from(MAX_BEHIND + 1) * (scratch.len() + RECORD), "{waiting}");
    // What went out before comes whole and in order, for whoever wakes up.
    drop(connection);
    let mut rounds = 1..heard;
    while let Ok((kind, body)) = reader.next().await {
        if kind == Kind::Replies {
            let replies = Replies::decode(body, shape()).unwrap();
            assert_eq!(
                (Some(replies.round.0), replies.outcome),
                (rounds.next(), Outcome::Delivered)
            );
        }
    }
}

#[tokio::test]
async fn the_replies_of_a_round_wait_for_no_client() {
    let mut ends = Ends::new();
    let (sleeper, asleep, _not_read) = ends.connect().await;
    let (reader, awake, mut frames) = ends.connect().await;
    let mut tasks = JoinSet::new();
    let shards = Shards::start(&Clock::start(), &mut tasks);
    shards.join(sleeper, &asleep);
    shards.join(reader, &awake);
    let serving = tokio::spawn({
        let awake = awake.clone();
        async move { awake.serve(&Clock::start(), |_: Submission<'_>| Err(NotAdmitted::NotOpen)).await }
    });
    let mut pinned: Vec<Weak<RoundOver>> = Vec::new();
    for round in 0..MANY {
        let over = over(round, &[sleeper, reader]);
        pinned.push(Arc::downgrade(&over));
        shards.tell(&News::Over(over)).await;
        assert_eq!(timeout(LIMIT, next_replies(&mut frames)).await.unwrap(), round);
        let held = pinned.iter().filter(|over| over.strong_count() > 0).count();
        assert!(held <= 4, "the replies of {held} rounds are held");
    }
    assert!(asleep.is_over(now()) && !awake.is_over(now()));
    serving.abort();
}

/// The round of the next replies.
async fn next_replies(frames: &mut FrameReader<TlsStream<TcpStream>>) -> u64 {
    loop {
        if let (Kind::Replies, body) = frames.next().await.unwrap() {
            return Replies::decode(body, shape()).unwrap().round.0;
        }
    }
}
