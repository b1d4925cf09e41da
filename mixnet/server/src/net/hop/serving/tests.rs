//! What the server before a hop can make it hold.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use rayon::ThreadPoolBuilder;
use rustls::pki_types::CertificateDer;
use talaria_mixnet::hop::HopLimits;
use talaria_mixnet::hop::guard::{NotRecorded, RoundGuard, RoundLog};
use talaria_mixnet::hop::keys::HopKeys;
use talaria_mixnet::hop::node::Node;
use talaria_mixnet::mix::noise::NoiseSource;
use talaria_wire::{HopIndex, Round};
use tokio::runtime::Handle;

use super::super::arrival::Buffers;
use super::super::shell::{Means, RoundRecord, system_seeded};
use super::*;
use crate::files::rounds::RoundFile;
use crate::net::report::Reports;
use crate::net::testing::{keys, network};

/// The only hop of a network; it has no keys yet, and refuses every round.
fn shell(
    folder: &tempfile::TempDir,
    log: Option<Box<dyn RoundLog + Send>>,
    reports: Reports,
) -> Arc<Shell> {
    let [entry, hop, head] = keys();
    let ca = CertificateDer::from(vec![1, 2, 3]);
    let network = network(&ca, [&entry, &hop, &head], "127.0.0.1:1".to_owned());
    let place = HopIndex(0);
    let limits = HopLimits { max_slots: 4, max_rounds: 4, patience_ms: 1000 };
    let config = NodeConfig::of(&network, place, limits);
    let (last, file) = RoundFile::open(folder.path(), network.period_ms).unwrap();
    let keys = HopKeys::new(Arc::new(hop), &network, place);
    let means = Means {
        silence: Duration::from_secs(1),
        noise: NoiseSource::new(HopIndex(1), None),
        pool: Arc::new(ThreadPoolBuilder::new().num_threads(1).build().unwrap()),
        buffers: Buffers::new(1, config.shape.onion_len_at(place)),
        onward: None,
        reports,
    };
    let record = RoundRecord::new(last, log.unwrap_or(Box::new(file)));
    Arc::new(Shell::new(Node::new(config, keys, RoundGuard::new(last)), record, means))
}

fn head(shell: &Shell, round: u64) -> BatchHead {
    BatchHead::new(Round(round), 4, shell.config.shape.onion_len_at(shell.config.place))
}

#[tokio::test]
async fn refused_rounds_leave_nothing_behind_that_waits() {
    let folder = tempfile::tempdir().unwrap();
    let (reports, mut reported) = mpsc::unbounded_channel();
    let shell = shell(&folder, None, reports);
    let (answers, mut queue) = mpsc::channel(QUEUE);
    let idle = Handle::current().metrics().num_alive_tasks();
    for round in 0..QUEUE as u64 {
        // At once, and so without a thread or a disk.
        let refused = pin!(take_on(&shell, head(&shell, round), &answers));
        let refused = refused.poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(refused, Poll::Ready(None)));
        assert!(reported.try_recv().is_ok());
    }
    // Nobody reads the answers: the next refusal holds its own link up.
    let mut next = pin!(take_on(&shell, head(&shell, 1000), &answers));
    while reported.try_recv().is_err() {
        assert!(next.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        tokio::task::yield_now().await;
    }
    assert_eq!(Handle::current().metrics().num_alive_tasks(), idle);
    while next.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
        let (answer, _) = queue.recv().await.unwrap();
        assert!(matches!(answer, Answer::Word(_)));
    }
}

/// A disk on which a record becomes durable only when the test says so.
struct SlowLog {
    asked: mpsc::UnboundedSender<Round>,
    durable: std::sync::mpsc::Receiver<()>,
}

impl RoundLog for SlowLog {
    fn record(&mut self, round: Round) -> Result<(), NotRecorded> {
        self.asked.send(round).map_err(|_| NotRecorded)?;
        self.durable.recv().map_err(|_| NotRecorded)
    }
}

/// While a record is on its way to the disk the other tasks get at the node; the round itself waits.
#[tokio::test]
async fn a_slow_disk_holds_up_nothing_but_its_round() {
    let folder = tempfile::tempdir().unwrap();
    let (reports, _reported) = mpsc::unbounded_channel();
    let (asked, mut asks) = mpsc::unbounded_channel();
    let (durable, gate) = std::sync::mpsc::channel();
    let shell = shell(&folder, Some(Box::new(SlowLog { asked, durable: gate })), reports);
    shell.tell(|node, now| node.handle_timeout(now, &mut system_seeded()));
    let round = Round::at(shell.clock.now(), shell.config.period_ms);
    let beginning = tokio::spawn({
        let (shell, head) = (shell.clone(), head(&shell, round.0));
        async move { begin(&shell, head).await.map(|(_, begun)| begun) }
    });
    assert_eq!(asks.recv().await, Some(round));
    assert!(shell.is_free(), "the disk is waited for with the node held");
    shell.tell(|node, now| node.handle_timeout(now, &mut system_seeded()));
    assert!(!beginning.is_finished(), "the round waits for its record");
    durable.send(()).unwrap();
    let begun = beginning.await.unwrap().unwrap();
    // Its batch breaks off. The next one cannot be recorded, and its turn does not stay behind.
    drop((begun, durable));
    let lost = begin(&shell, head(&shell, round.next().0)).await;
    assert_eq!(lost.err(), Some(AbortReason::NotRecorded));
    assert_eq!(shell.tell(|node, _| node.rounds()), 0);
}
