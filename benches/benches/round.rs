//! The exchange, and a whole round through three hops in memory.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use talaria_benches::{Chain, SIZES, THREADS, pool};

fn round(c: &mut Criterion) {
    let chain = Chain::new(3);
    let none = Chain::new(0);
    for n in SIZES {
        let (requests, onions) = (none.onions(n), chain.onions(n));
        let mut group = c.benchmark_group("round");
        group.sample_size(10).throughput(Throughput::Elements(n as u64));
        for threads in THREADS {
            let pool = pool(threads);
            let id = |what: &str| BenchmarkId::new(what, format!("{n}/{threads} threads"));
            group.bench_function(id("exchange"), |b| {
                b.iter_batched(
                    || requests.clone(),
                    |requests| pool.install(|| none.run(0, requests)),
                    BatchSize::PerIteration,
                );
            });
            group.bench_function(id("three hops"), |b| {
                b.iter_batched(
                    || onions.clone(),
                    |onions| pool.install(|| chain.run(0, onions)),
                    BatchSize::PerIteration,
                );
            });
        }
        group.finish();
    }
}

criterion_group!(benches, round);
criterion_main!(benches);
