//! The stages of one hop, and a whole hop out and back: the middle one of three.

use std::hint::black_box;

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use criterion::measurement::WallTime;
use criterion::{
    BatchSize, BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use rayon::ThreadPool;
use talaria_benches::{Chain, ROUND, SIZES, THREADS, pool, rng};
use talaria_mixnet::mix::noise::Noise;
use talaria_mixnet::mix::shuffle::shuffle;
use talaria_mixnet::round::Round;
use talaria_wire::Batch;
use x25519_batch::Backend;
use x25519_dalek::{PublicKey, SharedSecret, StaticSecret};

const MIDDLE: u8 = 1;

fn hop(c: &mut Criterion) {
    let chain = Chain::new(3);
    for n in SIZES {
        let batch = chain.onions_at(MIDDLE, n);
        let mut group = c.benchmark_group("hop");
        group.sample_size(10).throughput(Throughput::Elements(n as u64));
        bench_shuffle(&mut group, n);
        for threads in THREADS {
            let pool = pool(threads);
            let id = |stage: &str| BenchmarkId::new(stage, format!("{n}/{threads} threads"));
            group.bench_function(id("peel"), |b| {
                b.iter_batched(
                    || batch.clone(),
                    |batch| peel(&pool, &chain, batch),
                    BatchSize::PerIteration,
                );
            });
            group.bench_function(id("mix"), |b| {
                b.iter_batched(
                    || peel(&pool, &chain, batch.clone()),
                    |peeled| pool.install(|| peeled.mix()),
                    BatchSize::PerIteration,
                );
            });
            group.bench_function(id("out and back"), |b| {
                b.iter_batched(
                    || batch.clone(),
                    |batch| pool.install(|| chain.hop_out_and_back(MIDDLE, batch)),
                    BatchSize::PerIteration,
                );
            });
        }
        group.finish();
    }
}

/// A whole hop on every way of computing X25519 that this processor has, beside the one point that
/// others compute at a time: ratios of one run.
fn backends(c: &mut Criterion) {
    let n = 10_000;
    let pool = pool(1);
    let mut group = c.benchmark_group("hop by backend");
    group.sample_size(10);
    for backend in Backend::available() {
        let chain = Chain::new(3).on(backend);
        let batch = chain.onions_at(MIDDLE, n);
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(BenchmarkId::new("out and back", backend.name()), |b| {
            b.iter_batched(
                || batch.clone(),
                |batch| pool.install(|| chain.hop_out_and_back(MIDDLE, batch)),
                BatchSize::PerIteration,
            );
        });
        group.throughput(Throughput::Elements(1));
        let id = |library| BenchmarkId::new(library, format!("after {}", backend.name()));
        let (dalek, aws_lc) = (dalek(), aws_lc());
        group.bench_function(id("x25519-dalek"), |b| b.iter(&dalek));
        group.bench_function(id("aws-lc-rs"), |b| b.iter(&aws_lc));
    }
    group.finish();
}

fn dalek() -> impl Fn() -> SharedSecret {
    let secret = StaticSecret::from([7; 32]);
    let point = PublicKey::from(&StaticSecret::from([9; 32]));
    move || secret.diffie_hellman(black_box(&point))
}

fn aws_lc() -> impl Fn() -> Option<u8> {
    let private = PrivateKey::from_private_key(&X25519, &[7; 32]).expect("32 bytes");
    let point = PublicKey::from(&StaticSecret::from([9; 32])).to_bytes();
    move || {
        let peer = UnparsedPublicKey::new(&X25519, black_box(&point));
        agree(&private, peer, (), |shared| Ok(shared[0])).ok()
    }
}

fn peel(pool: &ThreadPool, chain: &Chain, batch: Batch) -> Round<talaria_mixnet::round::Peeled> {
    let (context, mut rng) = (chain.context(MIDDLE), rng(6));
    let closed = Round::arrived(ROUND, batch);
    pool.install(|| closed.peel(&context, Noise::none(), &mut rng))
}

fn bench_shuffle(group: &mut BenchmarkGroup<'_, WallTime>, n: usize) {
    let mut order: Vec<_> = (0..n).collect();
    let mut rng = rng(7);
    group.bench_function(BenchmarkId::new("shuffle", n), |b| {
        b.iter(|| shuffle(&mut order, &mut rng));
    });
}

criterion_group!(benches, hop, backends);
criterion_main!(benches);
