//! A store that is killed at any instant keeps what it acknowledged, once.

use std::sync::Arc;

use plimsoll_store::{AuditEntry, Limits, Point, SeriesQuery, Store, StoreOptions};

fn point(worker: i64, series: &Arc<str>, at_ms: i64) -> Point {
    Point {
        worker,
        series: Arc::clone(series),
        at_ms,
        value: (at_ms * 3) as f64,
    }
}

fn all(store: &Store, worker: i64) -> Vec<(i64, f64)> {
    let query = SeriesQuery {
        worker,
        names: vec!["rss_bytes".into()],
        from_ms: i64::MIN,
        to_ms: i64::MAX,
        points_max: usize::MAX,
    };
    store
        .series(&query)
        .expect("reads")
        .remove("rss_bytes")
        .unwrap_or_default()
}

/// Takes the files as a crash would leave them after any of these steps.
fn copy_files(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        std::fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("copies");
    }
}

#[test]
fn what_was_acknowledged_is_there_after_a_crash_at_every_step() {
    let folder = tempfile::tempdir().expect("a folder");
    let live = folder.path().join("live");
    let store = Store::open(&live, &StoreOptions::default()).expect("opens");
    let series: Arc<str> = "rss_bytes".into();
    let worker = store.worker("w", "mailer", "{}", 0).expect("a worker");
    let mut acknowledged = Vec::new();
    for step in 0..40_i64 {
        if step % 7 == 6 {
            store.seal().expect("seals");
        } else {
            let points: Vec<Point> = (0..5).map(|n| point(worker, &series, step * 1000 + n)).collect();
            store.append_now(points).expect("acknowledged");
            acknowledged.extend((0..5).map(|n| (step * 1000 + n, ((step * 1000 + n) * 3) as f64)));
        }
        let crashed = folder.path().join(format!("crash-{step}"));
        copy_files(&live, &crashed);
        let after = Store::open(&crashed, &StoreOptions::default()).expect("opens after a crash");
        assert_eq!(all(&after, worker), acknowledged, "after step {step}");
        after.seal().expect("seals after a crash");
        assert_eq!(all(&after, worker), acknowledged, "sealed after step {step}");
    }
}

#[test]
fn a_second_server_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let _store = Store::open(folder.path(), &StoreOptions::default()).expect("opens");
    let second = Store::open(folder.path(), &StoreOptions::default());
    assert!(matches!(second, Err(plimsoll_store::StoreError::InUse { .. })));
}

#[test]
fn old_points_are_thinned_and_keep_their_peaks() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), &StoreOptions::default()).expect("opens");
    let series: Arc<str> = "rss_bytes".into();
    let worker = store.worker("w", "mailer", "{}", 0).expect("a worker");
    for minute in 0..60_i64 {
        let points = (0..60).map(|second| point(worker, &series, (minute * 60 + second) * 1000));
        store.append_now(points.collect()).expect("appends");
        store.seal().expect("seals");
    }
    let limits = Limits {
        raw_ms: 0,
        ..Limits::default()
    };
    let swept = store.sweep(limits, 3_600_000).expect("sweeps");
    assert_eq!(swept.thinned, 60);
    let kept = all(&store, worker);
    assert_eq!(kept.len(), 12);
    assert_eq!(kept[0], (299_000, 897_000.0));
    let query = SeriesQuery {
        worker,
        names: vec!["rss_bytes:min".into()],
        from_ms: 0,
        to_ms: i64::MAX,
        points_max: 100,
    };
    assert_eq!(
        store.series(&query).expect("reads")["rss_bytes:min"][1].1,
        900_000.0
    );
    let none = Limits {
        max_bytes: 0,
        ..Limits::default()
    };
    assert_eq!(store.sweep(none, 3_600_000).expect("sweeps").over_quota, 1);
}

#[test]
fn a_changed_audit_entry_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), &StoreOptions::default()).expect("opens");
    for n in 0..5 {
        let entry = AuditEntry {
            at_ms: n,
            actor: "local".into(),
            action: "test".into(),
            object: n.to_string(),
            detail: String::new(),
        };
        store.audit(entry).expect("appends");
    }
    assert_eq!(store.verify_audit().expect("reads"), (5, None));
    drop(store);
    let forge = rusqlite::Connection::open(folder.path().join("plimsoll.db")).expect("opens");
    forge
        .execute("UPDATE audit SET actor = 'nobody' WHERE seq = 3", [])
        .expect("forges");
    let desk = plimsoll_store::Desk::open(folder.path()).expect("opens");
    assert_eq!(
        desk.verify_audit().expect("reads").1.map(|fault| fault.seq),
        Some(3)
    );
    forge
        .execute("DELETE FROM audit WHERE seq = 2", [])
        .expect("forges");
    let (_, fault) = desk.verify_audit().expect("reads");
    assert!(fault.is_some_and(|fault| fault.reason.contains("2 is missing")));
}
