//! Prints what the detector says of one record.
use plimsoll_corpus::{kind, simulate};
use plimsoll_detect::{Detector, MinimumEffect, Pace, Settings, Watch};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let kind = kind(&a[1]).expect("kind");
    let seed: u64 = a[2].parse().expect("seed");
    let plan = kind.plan(seed);
    println!("{plan:#?}");
    let day = plan.minimum_bytes_per_day;
    let mut d = Detector::new(Settings {
        limit_bytes: Some(plan.budget_bytes as u64),
        cap_bytes: plan.cap_bytes.map(|c| c as u64),
        minimum_effect: day.map_or(MinimumEffect::Derived, MinimumEffect::PerDay),
        pace: if day.is_some() { Pace::Real } else { Pace::Test },
        watch: if day.is_some() { Watch::Service } else { Watch::Run },
        ..Settings::default()
    });
    simulate(&plan, seed).readings.iter().for_each(|r| d.observe(r));
    println!("{:#?}", d.assess());
}
