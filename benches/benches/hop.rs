//! The stages of one hop, and a whole hop out and back: the middle one of three.

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

criterion_group!(benches, hop);
criterion_main!(benches);
