//! A small part of the corpus, so that a change that breaks detection fails here; the figures in
//! docs/detection.md come from `plimsoll-corpus score`.

use plimsoll_corpus::{Outcome, Truth, examine, kinds, with_baseline};
use plimsoll_model::Status;

const SEEDS: std::ops::Range<u64> = 1..2;

fn outcomes(judge: fn(&plimsoll_corpus::Kind, u64) -> Outcome, truth: Truth) -> Vec<Outcome> {
    kinds()
        .filter(|k| k.truth == truth)
        .flat_map(|k| SEEDS.map(move |s| judge(k, s)))
        .collect()
}

#[test]
fn sound_workers_raise_no_alarm() {
    for outcome in outcomes(examine, Truth::Sound) {
        assert_eq!(outcome.alarm_at_seconds, None, "{outcome:?}");
        assert_ne!(outcome.status, Status::Leaking, "{outcome:?}");
    }
}

#[test]
fn a_baseline_tells_a_filling_cache_from_a_leak() {
    for outcome in outcomes(with_baseline, Truth::SoundUntilFull) {
        assert_ne!(outcome.status, Status::Leaking, "{outcome:?}");
    }
}

#[test]
fn leaks_are_found_and_never_called_stable() {
    let leaks = outcomes(examine, Truth::Leaks);
    assert!(
        leaks.iter().all(|o| o.status != Status::Stable || o.effect < 1.0),
        "{leaks:#?}"
    );
    let clear: Vec<_> = leaks.iter().filter(|o| o.effect >= 3.0).collect();
    let found = clear.iter().filter(|o| o.status == Status::Leaking).count();
    assert!(
        found as f64 >= 0.8 * clear.len() as f64,
        "{found} of {}",
        clear.len()
    );
}

#[test]
fn kinds_are_the_same_on_every_machine() {
    for kind in kinds() {
        let (record, again) = (kind.record(1), kind.record(1));
        assert_eq!(record.readings, again.readings, "{}", kind.name);
        assert!(
            record
                .readings
                .windows(2)
                .all(|pair| pair[0].at_seconds() <= pair[1].at_seconds()),
            "{}",
            kind.name
        );
    }
}
