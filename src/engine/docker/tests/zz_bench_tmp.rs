#![allow(
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]
mod common;
use common::*;
use scalectl_engine::Engine;
use std::time::Instant;
#[tokio::test]
#[ignore]
async fn bench() {
    let project = Project::new("bench");
    let engine0 = engine().await;
    let n: usize = std::env::var("N")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(20);
    let t = Instant::now();
    let specs: Vec<_> = (0..n)
        .map(|i| project.shell(&format!("s{i}"), "sleep 600"))
        .collect();
    let calls: Vec<_> = specs.iter().map(create).collect();
    futures_util::future::join_all(calls.iter().map(|c| engine0.apply(c)))
        .await
        .into_iter()
        .for_each(|r| r.unwrap());
    println!("create {n}: {:?}", t.elapsed());
    let t = Instant::now();
    let calls: Vec<_> = specs.iter().map(|s| start(&s.name)).collect();
    futures_util::future::join_all(calls.iter().map(|c| engine0.apply(c)))
        .await
        .into_iter()
        .for_each(|r| r.unwrap());
    println!("start {n}: {:?}", t.elapsed());
    let mut best = (f64::MAX, f64::MAX);
    for _ in 0..15 {
        let t = Instant::now();
        let e = engine().await;
        let c = t.elapsed().as_secs_f64() * 1e3;
        let t = Instant::now();
        let o = e.observe(&project.scope()).await.unwrap();
        let ob = t.elapsed().as_secs_f64() * 1e3;
        println!(
            "connect {c:.2} ms observe {ob:.2} ms ({} containers)",
            o.containers.len()
        );
        best = (best.0.min(c), best.1.min(ob));
    }
    println!("best {best:?}");
    for _ in 0..5 {
        let t = Instant::now();
        let g = engine0
            .acquire_lock(
                &project.name,
                IMAGE,
                &scalectl_engine_docker::LockOwner::this("x"),
            )
            .await
            .unwrap();
        let a = t.elapsed();
        let t = Instant::now();
        g.release(&engine0).await.unwrap();
        println!("lock {:?} release {:?}", a, t.elapsed());
    }
}
