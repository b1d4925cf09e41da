//! A hop on the network: batches come in from the server before, go on to the next, and back.
//!
//! Each round is a task of its own; what may run, when it leaves and what is waited for the
//! [`Node`] says.

mod answers;
mod arrival;
mod probing;
mod serving;
mod shell;
mod work;

use std::sync::Arc;
use std::time::Duration;

use rayon::ThreadPool;
use talaria_wire::Round as RoundNumber;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use super::link::{LinkEvent, Onward, OnwardConfig};
use super::report::Reports;
use super::shutdown::Shutdown;
use crate::files::rounds::RoundFile;
use arrival::Buffers;
use serving::{MAX_LINKS, accept};
use shell::{Means, RoundRecord, Shell, system_seeded};
use talaria_mixnet::hop::guard::RoundGuard;
use talaria_mixnet::hop::keys::HopKeys;
use talaria_mixnet::hop::node::{Node, NodeConfig};
use talaria_mixnet::link::{BackWord, LinkMessage};
use talaria_mixnet::mix::noise::NoiseSource;

/// Pieces of batches that may lie in memory for each thread that peels.
const PIECES_PER_THREAD: usize = 4;

/// Everything that a hop needs to run.
#[derive(Debug)]
pub struct HopConfig {
    /// Its place in the chain, sizes and limits.
    pub node: NodeConfig,
    /// Its onion keys, and those of the hops after it.
    pub keys: HopKeys,
    /// The noise that it adds.
    pub noise: NoiseSource,
    /// TLS towards the server before it, see
    /// [`tls::link_server_config`](super::tls::link_server_config).
    pub tls: Arc<rustls::ServerConfig>,
    /// The next hop, unless this is the last one.
    pub onward: Option<OnwardConfig>,
    /// The record of rounds, and the last one in it.
    pub rounds: (Option<RoundNumber>, RoundFile),
    /// Where the heavy work is done.
    pub pool: Arc<ThreadPool>,
    /// How long the server before may be silent before its link is taken for dead.
    pub silence: Duration,
}

/// Runs a hop on `listener` until it is asked to stop and its last round is over.
pub async fn run(config: HopConfig, listener: TcpListener, reports: Reports, shutdown: Shutdown) {
    let HopConfig { node, keys, noise, tls, onward, rounds, pool, silence } = config;
    let acceptor = TlsAcceptor::from(tls);
    let (onward, events) = onward.map(Onward::start).unzip();
    // Each link may hold one that is not full yet.
    let pieces = MAX_LINKS + PIECES_PER_THREAD * pool.current_num_threads();
    let buffers = Buffers::new(pieces, node.shape.onion_len_at(node.place));
    let (last, log) = rounds;
    let record = RoundRecord::new(last, Box::new(log));
    let node = Node::new(node, keys, RoundGuard::new(last));
    let means = Means { silence, noise, pool, buffers, onward, reports };
    let shell = Arc::new(Shell::new(node, record, means));
    // Nothing can begin without keys.
    shell.tell(|node, now| node.handle_timeout(now, &mut system_seeded()));
    info!(hop = %shell.config.place, "hop ready");
    tokio::select! {
        () = drive(&shell, events) => {}
        () = accept(shell.clone(), listener, acceptor) => {}
        () = drained(&shell, shutdown) => info!(hop = %shell.config.place, "hop stopped"),
    }
}

/// Takes no further round, and waits for those under way.
async fn drained(shell: &Arc<Shell>, mut shutdown: Shutdown) {
    shutdown.asked().await;
    shell.tell(|node, _| node.drain());
    shell.pending.none().await;
}

/// Takes what comes back from the next hop, gives up what does not, and makes keys in time.
async fn drive(shell: &Arc<Shell>, mut events: Option<mpsc::Receiver<LinkEvent>>) {
    loop {
        let rescheduled = shell.rescheduled();
        let deadline = shell.poll_timeout();
        let event = async {
            match &mut events {
                Some(events) => events.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = rescheduled => {}
            () = shell.clock.sleep_until(Some(deadline)) => {
                shell.tell(|node, now| node.handle_timeout(now, &mut system_seeded()));
            }
            event = event => match event {
                Some(event) => handle_event(shell, event),
                None => return,
            }
        }
    }
}

fn handle_event(shell: &Arc<Shell>, event: LinkEvent) {
    match event {
        LinkEvent::Message(LinkMessage::Batch(round, replies)) => {
            shell.tell(|node, _| node.returned(round, replies));
        }
        LinkEvent::Message(LinkMessage::Word(BackWord::Abort(round, reason))) => {
            shell.tell(|node, now| node.lost(now, round, reason));
        }
        LinkEvent::Message(LinkMessage::Word(BackWord::Keys(keys))) => {
            if let Err(error) = shell.tell(|node, now| node.learn(now, keys)) {
                warn!(hop = %shell.config.place, %error, "keys of a later hop were refused");
            }
        }
        LinkEvent::Message(LinkMessage::Word(BackWord::Report(status))) => shell.reported(status),
        LinkEvent::Up => {}
        LinkEvent::Down => shell.tell(|node, _| node.handle_link_lost()),
    }
}
