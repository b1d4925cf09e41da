//! What the server before a hop can make it hold.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use rayon::ThreadPoolBuilder;
use rustls::pki_types::CertificateDer;
use talaria_mixnet::hop::HopLimits;
use talaria_mixnet::hop::guard::RoundGuard;
use talaria_mixnet::hop::keys::HopKeys;
use talaria_mixnet::hop::node::Node;
use talaria_mixnet::mix::noise::NoiseSource;
use talaria_wire::{HopIndex, Round};
use tokio::runtime::Handle;

use super::super::arrival::Buffers;
use super::super::shell::Means;
use super::*;
use crate::files::rounds::RoundFile;
use crate::net::report::Reports;
use crate::net::testing::{keys, network};

/// The only hop of a network; it has no keys yet, and refuses every round.
fn shell(folder: &tempfile::TempDir, reports: Reports) -> Arc<Shell> {
    let [entry, hop, head] = keys();
    let ca = CertificateDer::from(vec![1, 2, 3]);
    let network = network(&ca, [&entry, &hop, &head], "127.0.0.1:1".to_owned());
    let place = HopIndex(0);
    let limits = HopLimits { max_slots: 4, max_rounds: 4, patience_ms: 1000 };
    let config = NodeConfig::of(&network, place, limits);
    let (last, log) = RoundFile::open(folder.path(), network.period_ms).unwrap();
    let keys = HopKeys::new(Arc::new(hop), &network, place);
    let means = Means {
        silence: Duration::from_secs(1),
        noise: NoiseSource::new(HopIndex(1), None),
        pool: Arc::new(ThreadPoolBuilder::new().num_threads(1).build().unwrap()),
        buffers: Buffers::new(1, config.shape.onion_len_at(place)),
        onward: None,
        reports,
    };
    Arc::new(Shell::new(Node::new(config, keys, RoundGuard::new(last, log)), means))
}

fn head(shell: &Shell, round: u64) -> BatchHead {
    BatchHead::new(Round(round), 4, shell.config.shape.onion_len_at(shell.config.place))
}

#[tokio::test]
async fn refused_rounds_leave_nothing_behind_that_waits() {
    let folder = tempfile::tempdir().unwrap();
    let (reports, mut reported) = mpsc::unbounded_channel();
    let shell = shell(&folder, reports);
    let (answers, mut queue) = mpsc::channel(QUEUE);
    let idle = Handle::current().metrics().num_alive_tasks();
    for round in 0..QUEUE as u64 {
        assert!(take_on(&shell, head(&shell, round), &answers).await.is_none());
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
