//! Every worker under `fixtures/workers/node`, as it is and with everything about it that must not matter
//! changed at random: leaky ones are found and explained, their lookalikes are left in peace.
//!
//! Each of the two tests prints a table and holds the shares to a bar. A false alarm is never let pass. The
//! other bars stand below what is aimed at (all of them) where a run of a few seconds does not settle
//! everything yet; raise them with the product. `PLIMSOLL_TEST_SEED` repeats a random run.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use plimsoll_testbed::Standing::{Right, Wrong};
use plimsoll_testbed::{Fixture, Prepared, Score, Seed, Slot, Standing, Watch, fixture_cases, score};

/// Workers that run at once: the machine has two cores.
const AT_ONCE: usize = 2;

/// Least shares, in percent of the workers that they can be said of.
struct Bars {
    /// Leaks called `leaking`.
    found: usize,
    /// Of those, the true holder with its place and pattern among the first three suspects.
    holder: usize,
    /// Of those, the right class told and no other.
    class: usize,
    /// Most workers of all whose report blames a sound class.
    wrong_class: usize,
}

struct Row {
    name: String,
    leaky: bool,
    score: Score,
}

fn watch(worker: &Prepared) -> Row {
    let slot = Slot::take();
    let watched = Watch::run(env!("CARGO_BIN_EXE_plimsoll")).worker(worker);
    drop(slot);
    let leaky = worker.truth.verdict == "leaking";
    let score = match &watched.report {
        Ok(report) => score(worker, report),
        Err(error) => {
            let remarks = vec![format!("{error}\n{}", watched.finished.stderr)];
            Score {
                verdict: Wrong,
                holder: Wrong,
                class: Wrong,
                remarks,
            }
        }
    };
    let exit = (watched.finished.code != Some(0)).then(|| format!("exit code {:?}", watched.finished.code));
    let mut row = Row {
        name: format!("{}{}", worker.name, worker.how),
        leaky,
        score,
    };
    row.score.remarks.extend(exit);
    row
}

fn watch_all(workers: &[Prepared]) -> Vec<Row> {
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(worker) = workers.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let row = watch(worker);
                    rows.lock()
                        .expect("no thread panics while it holds the rows")
                        .push(row);
                }
            });
        }
    });
    let mut rows = rows
        .into_inner()
        .expect("no thread panicked while it held the rows");
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    rows
}

fn share<'a>(rows: impl Iterator<Item = &'a Row>, good: impl Fn(&Score) -> bool) -> usize {
    let (mut all, mut some) = (0, 0);
    for row in rows {
        all += 1;
        some += usize::from(good(&row.score));
    }
    some * 100 / all.max(1)
}

fn hold(rows: &[Row], bars: &Bars) {
    let word = |standing: Standing| format!("{standing:?}").to_lowercase();
    for row in rows {
        let Score {
            verdict,
            holder,
            class,
            remarks,
        } = &row.score;
        println!(
            "{:8} {:8} {:8} {}",
            word(*verdict),
            word(*holder),
            word(*class),
            row.name
        );
        remarks
            .iter()
            .for_each(|remark| println!("           - {remark}"));
    }
    let sound = || rows.iter().filter(|row| !row.leaky);
    let leaky = || rows.iter().filter(|row| row.leaky);
    let found = || leaky().filter(|row| row.score.verdict == Right);
    let false_alarms: Vec<&str> = sound()
        .filter(|row| row.score.verdict == Wrong)
        .map(|row| row.name.as_str())
        .collect();
    let found_share = share(leaky(), |score| score.verdict == Right);
    let holder_share = share(found(), |score| score.holder == Right);
    let class_share = share(found(), |score| score.class == Right);
    let wrong_class_share = share(rows.iter(), |score| score.class == Wrong);
    println!(
        "found {found_share} %, holder {holder_share} %, class {class_share} %, wrong class {wrong_class_share} %, \
         false alarms {}",
        false_alarms.len()
    );
    assert!(false_alarms.is_empty(), "false alarms: {false_alarms:?}");
    assert!(found_share >= bars.found, "found {found_share} %");
    assert!(holder_share >= bars.holder, "holder {holder_share} %");
    assert!(class_share >= bars.class, "class {class_share} %");
    assert!(
        wrong_class_share <= bars.wrong_class,
        "wrong class {wrong_class_share} %"
    );
}

fn all(prepare: impl Fn(&Fixture) -> Prepared) -> Vec<Prepared> {
    fixture_cases()
        .iter()
        .map(|(case, variant)| prepare(&Fixture::load(case, variant)))
        .collect()
}

#[test]
fn as_they_are() {
    let rows = watch_all(&all(Fixture::as_is));
    hold(
        &rows,
        &Bars {
            found: 95,
            holder: 90,
            class: 70,
            wrong_class: 8,
        },
    );
}

#[test]
fn at_random() {
    let rows = watch_all(&all(|fixture| fixture.at_random(Seed::of_this_run())));
    hold(
        &rows,
        &Bars {
            found: 85,
            holder: 85,
            class: 50,
            wrong_class: 10,
        },
    );
}
