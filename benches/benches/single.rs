//! Single operations: the X25519 of two libraries, sealing an onion, peeling one layer.

use std::hint::black_box;

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use talaria_benches::{Chain, ROUND, rng};
use talaria_wire::ExchangeRequest;
use talaria_wire::onion::{peel, seal, seal_reply};
use x25519_dalek::{PublicKey, StaticSecret};

fn x25519(c: &mut Criterion) {
    let mut group = c.benchmark_group("x25519");
    group.throughput(Throughput::Elements(1));
    let secret = StaticSecret::from([7; 32]);
    let point = PublicKey::from(&StaticSecret::from([9; 32]));
    group.bench_function("x25519-dalek", |b| {
        b.iter(|| secret.diffie_hellman(black_box(&point)));
    });
    let private = PrivateKey::from_private_key(&X25519, &[7; 32]).expect("32 bytes");
    group.bench_function("aws-lc-rs", |b| {
        b.iter(|| {
            let peer = UnparsedPublicKey::new(&X25519, black_box(point.as_bytes()));
            agree(&private, peer, (), |shared| Ok(shared[0]))
        });
    });
    group.finish();
}

fn onion(c: &mut Criterion) {
    let chain = Chain::new(3);
    let mut group = c.benchmark_group("onion");
    group.throughput(Throughput::Elements(1));
    let (public, mut rng) = (chain.public(), rng(9));
    let request = ExchangeRequest::cover(&mut rng);
    let mut out = vec![0; 672];
    group.bench_function("seal for 3 hops", |b| {
        b.iter(|| seal(&request, &public, ROUND, &mut rng, &mut out));
    });
    let context = chain.context(0);
    group.bench_function("peel one layer", |b| {
        b.iter_batched_ref(
            || out.clone(),
            |onion| peel(onion, &context),
            criterion::BatchSize::SmallInput,
        );
    });
    let (key, _) = peel(&mut out.clone(), &context);
    let mut reply = vec![0; 560];
    group.bench_function("seal one layer of a reply", |b| {
        b.iter(|| seal_reply(&key, &mut reply));
    });
    group.finish();
}

criterion_group!(benches, x25519, onion);
criterion_main!(benches);
