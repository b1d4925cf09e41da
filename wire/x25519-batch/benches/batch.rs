//! Time per element of every shape of call, on every backend, against single operations of
//! x25519-dalek and aws-lc-rs in the same run.
#![allow(missing_docs)]

use std::hint::black_box;

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use criterion::{
    BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use x25519_batch::Backend;
use x25519_dalek::{PublicKey, StaticSecret};

type Bytes = [u8; 32];

fn random(seed: u64, n: usize) -> Vec<Bytes> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut out = vec![[0; 32]; n];
    for bytes in &mut out {
        rng.fill_bytes(bytes);
    }
    out
}

fn batches(c: &mut Criterion) {
    for backend in Backend::available() {
        for n in [8, 64, 256, 1024, 100_000] {
            let mut group = c.benchmark_group(backend.name());
            group.throughput(Throughput::Elements(n as u64));
            if n > 10_000 {
                group.sample_size(10).sampling_mode(SamplingMode::Flat);
            }
            let (scalars, points) = (random(1, n), random(2, n));
            let mut out = vec![[0; 32]; n];
            group.bench_function(BenchmarkId::new("one_scalar", n), |b| {
                b.iter(|| backend.one_scalar(black_box(&scalars[0]), &points, &mut out));
            });
            group.bench_function(BenchmarkId::new("many_scalars", n), |b| {
                b.iter(|| backend.many_scalars(black_box(&scalars), &points, &mut out));
            });
            group.bench_function(BenchmarkId::new("base_point", n), |b| {
                b.iter(|| backend.base_point(black_box(&scalars), &mut out));
            });
        }
    }
}

fn singles(c: &mut Criterion) {
    let mut group = c.benchmark_group("single");
    group.throughput(Throughput::Elements(1));
    let (scalar, point) = (random(1, 1)[0], random(2, 1)[0]);
    let (secret, public) = (StaticSecret::from(scalar), PublicKey::from(point));
    group.bench_function("x25519-dalek", |b| {
        b.iter(|| secret.diffie_hellman(black_box(&public)));
    });
    group.bench_function("x25519-dalek base", |b| {
        b.iter(|| PublicKey::from(black_box(&secret)));
    });
    let private = PrivateKey::from_private_key(&X25519, &scalar).expect("32 bytes are a key");
    group.bench_function("aws-lc-rs", |b| {
        b.iter(|| {
            let point = UnparsedPublicKey::new(&X25519, black_box(&point));
            agree(&private, point, (), |secret| Ok(secret[0]))
        });
    });
    group.bench_function("aws-lc-rs base", |b| {
        b.iter(|| {
            let private = PrivateKey::from_private_key(&X25519, black_box(&scalar));
            private.expect("32 bytes are a key").compute_public_key()
        });
    });
}

criterion_group!(benches, batches, singles);
criterion_main!(benches);
