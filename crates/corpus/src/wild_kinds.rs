//! The kinds of the wild family.

use crate::kinds::{FillIn, Kind, Length, Truth};
use crate::random::Random;
use crate::wild::{Fill, MB, Sight, Wild};

const HOUR_SECONDS: f64 = 3600.0;

const fn k(name: &'static str, truth: Truth, fill_in: fn(&mut Wild, &mut Random)) -> Kind {
    Kind {
        name,
        truth,
        length: Length::Wild,
        fill_in: FillIn::Wild(fill_in),
    }
}

use Truth::{Leaks, Sound, SoundUntilFull};

/// Every kind of the wild family.
pub(crate) static WILD_KINDS: &[Kind] = &[
    k("wild-flat", Sound, |_, _| {}),
    k("wild-warm-up", Sound, warm_up),
    k("wild-cache-keys", Sound, keys),
    k("wild-cache-steady", SoundUntilFull, |w, r| steady(w, r, 0.1, 1.5)),
    k("wild-cache-seen-full", Sound, |w, r| steady(w, r, 0.02, 0.3)),
    k("wild-cache-declared", Sound, |w, r| {
        steady(w, r, 0.3, 1.4);
        w.cap_bytes = w.fills.first().map(|f| f.0 * 1.05);
    }),
    k("wild-doubling", SoundUntilFull, |w, r| {
        let end = day_jobs(w) * r.between(0.3, 1.3);
        w.fills
            .push((MB * r.log_between(15.0, 120.0), Fill::Doubling(end)));
    }),
    k("wild-diurnal", Sound, diurnal),
    k("wild-long-memory", Sound, |w, r| {
        w.slow = [
            (MB * r.between(0.5, 3.0), HOUR_SECONDS * r.between(1.0, 3.0)),
            (MB * r.between(0.5, 2.0), HOUR_SECONDS * r.between(3.0, 8.0)),
        ];
    }),
    k("wild-fragmentation", Sound, |w, r| {
        w.fragmentation = (
            MB * r.log_between(10.0, 120.0),
            HOUR_SECONDS * r.log_between(0.3, 4.0),
        );
    }),
    k("wild-giant", Sound, giant),
    k("wild-load-step", Sound, |w, r| {
        w.step = Some((w.seconds * r.between(0.15, 0.85), r.log_between(1.5, 4.0)));
        w.working_set = (MB * r.between(4.0, 20.0), r.between(0.5, 1.0));
    }),
    k("wild-restarts", Sound, |w, r| {
        warm_up(w, r);
        restarts(w, r);
    }),
    k("wild-restarts-cache", Sound, |w, r| {
        keys(w, r);
        restarts(w, r);
    }),
    k("wild-collections-flat", Sound, |w, _| {
        w.sight = Sight::Collections
    }),
    k("wild-collections-warm-up", Sound, |w, r| {
        w.sight = Sight::Collections;
        warm_up(w, r);
    }),
    k("wild-collections-cache", Sound, |w, r| {
        w.sight = Sight::Collections;
        keys(w, r);
    }),
    k("wild-collections-diurnal", Sound, |w, r| {
        w.sight = Sight::Collections;
        diurnal(w, r);
    }),
    k("wild-resident-flat", Sound, |w, _| w.sight = Sight::Resident),
    k("wild-resident-cache", Sound, |w, r| {
        w.sight = Sight::Resident;
        keys(w, r);
    }),
    k("wild-resident-diurnal", Sound, |w, r| {
        w.sight = Sight::Resident;
        diurnal(w, r);
    }),
    k("wild-leak", Leaks, leak),
    k("wild-leak-rare", Leaks, |w, r| {
        if w.classes.len() < 2 {
            w.classes.push(crate::wild::WildClass {
                name: "audit",
                ..w.classes[0].clone()
            });
        }
        let last = w.classes.len() - 1;
        w.classes[last].share = r.log_between(0.005, 0.05);
        leak_of(w, r, last);
    }),
    k("wild-leak-warm-up", Leaks, |w, r| {
        warm_up(w, r);
        leak(w, r);
    }),
    k("wild-leak-diurnal", Leaks, |w, r| {
        diurnal(w, r);
        leak(w, r);
    }),
    k("wild-leak-cache", Leaks, |w, r| {
        keys(w, r);
        leak(w, r);
    }),
    k("wild-leak-restarts", Leaks, |w, r| {
        restarts(w, r);
        leak(w, r);
    }),
    k("wild-leak-midway", Leaks, |w, r| {
        w.leak_from_seconds = w.seconds * r.between(0.2, 0.5);
        leak(w, r);
    }),
    k("wild-leak-steps", Leaks, |w, r| {
        leak(w, r);
        w.chunk_bytes = w.growth_per_second() * w.seconds / r.between(8.0, 40.0);
    }),
    k("wild-leak-native", Leaks, |w, r| {
        w.native_per_second = effect(w, r)
    }),
    k("wild-leak-time", Leaks, |w, r| {
        w.day.0 = r.between(0.2, 0.8);
        w.leak_per_second = effect(w, r);
    }),
    k("wild-collections-leak", Leaks, |w, r| {
        w.sight = Sight::Collections;
        leak(w, r);
    }),
    k("wild-collections-leak-diurnal", Leaks, |w, r| {
        w.sight = Sight::Collections;
        diurnal(w, r);
        leak(w, r);
    }),
    k("wild-resident-leak", Leaks, |w, r| {
        w.sight = Sight::Resident;
        leak(w, r);
    }),
];

fn day_jobs(w: &Wild) -> f64 {
    w.pace * w.seconds
}

fn warm_up(w: &mut Wild, r: &mut Random) {
    w.warm_up = (
        MB * r.log_between(5.0, 80.0),
        HOUR_SECONDS * r.log_between(0.1, 2.0),
    );
}

fn keys(w: &mut Wild, r: &mut Random) {
    let constant = w.pace * HOUR_SECONDS * r.log_between(0.5, 6.0);
    let bytes = MB * r.log_between(10.0, 120.0);
    let fill = if r.chance(0.7) {
        Fill::Keys(constant)
    } else {
        Fill::RareKeys(constant * 0.5)
    };
    w.fills.push((bytes, fill));
}

fn steady(w: &mut Wild, r: &mut Random, from: f64, to: f64) {
    let end = day_jobs(w) * r.between(from, to);
    w.fills.push((MB * r.log_between(15.0, 120.0), Fill::Steady(end)));
}

fn diurnal(w: &mut Wild, r: &mut Random) {
    w.day = (r.between(0.3, 0.9), r.unit(), r.between(0.0, 1200.0));
    w.working_set = (MB * r.between(4.0, 30.0), r.between(0.5, 1.2));
}

fn giant(w: &mut Wild, r: &mut Random) {
    let bytes = MB * r.log_between(8.0, 100.0);
    let stays = if r.chance(0.5) { 1.0 } else { r.between(0.0, 0.6) };
    w.giant = Some((
        w.seconds * r.between(0.05, 0.95),
        bytes,
        stays,
        HOUR_SECONDS * r.log_between(0.05, 2.0),
    ));
}

fn restarts(w: &mut Wild, r: &mut Random) {
    let count = r.whole(1, 5);
    w.restarts = (1..=count)
        .map(|i| w.seconds * (i as f64 + r.between(-0.3, 0.3)) / (count + 1) as f64)
        .collect();
}

/// 1 to 12 times what is declared.
fn effect(w: &Wild, r: &mut Random) -> f64 {
    w.minimum_bytes_per_day / 86_400.0 * r.log_between(1.05, 12.0)
}

fn leak(w: &mut Wild, r: &mut Random) {
    leak_of(w, r, 0);
}

fn leak_of(w: &mut Wild, r: &mut Random, class: usize) {
    let all: f64 = w.classes.iter().map(|c| c.share).sum();
    w.classes[class].leak_bytes = effect(w, r) / w.pace * all / w.classes[class].share;
}
