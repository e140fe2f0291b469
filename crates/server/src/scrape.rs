//! Reads the `/metrics` of workers that were named at the start.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use plimsoll_wire::stream::StreamWorker;

use crate::ScrapeTarget;
use crate::clock::now_ms;
use crate::external::Wholeness;
use crate::fleet::Source;
use crate::prometheus::parse_text;
use crate::serve::Shared;
use crate::sources;

const TIMEOUT: Duration = Duration::from_secs(5);
/// A page of metrics larger than this is none.
const PAGE_MAX: u64 = 8 << 20;

/// Reads until the end.
pub fn run(shared: &Arc<Shared>, runtime: &tokio::runtime::Handle) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .max_redirects(0)
        .build()
        .into();
    let mut silent: HashMap<String, bool> = HashMap::new();
    let mut next = Instant::now();
    while !shared.stop.load(Ordering::Relaxed) {
        if Instant::now() < next {
            std::thread::sleep(Duration::from_millis(200));
            continue;
        }
        next = Instant::now() + shared.options.scrape_interval;
        for target in &shared.options.scrapes {
            let result = read(&agent, target).map(|text| take(shared, runtime, target, &text));
            let before = silent.insert(target.url.clone(), result.is_err());
            if let (Err(error), None | Some(false)) = (&result, before) {
                shared.failed(&format!("cannot read `{}`: {error}", target.url));
            }
        }
    }
}

fn read(agent: &ureq::Agent, target: &ScrapeTarget) -> Result<String, ureq::Error> {
    let mut response = agent.get(&target.url).call()?;
    response.body_mut().with_config().limit(PAGE_MAX).read_to_string()
}

fn take(shared: &Arc<Shared>, runtime: &tokio::runtime::Handle, target: &ScrapeTarget, text: &str) {
    let key = format!("scrape:{}", target.url);
    let authority = target
        .url
        .split("://")
        .nth(1)
        .and_then(|rest| rest.split('/').next());
    let worker = StreamWorker {
        service: target.service.clone(),
        host: authority.map(str::to_owned),
        ..StreamWorker::default()
    };
    let batch = {
        let mut external = shared.external.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now_ms();
        for (name, labels, value) in parse_text(text) {
            external.observe(&key, &worker, (&name, &labels), now, value);
        }
        external.batch(&key, Wholeness::Whole)
    };
    if let Some(batch) = batch
        && let Err(error) = runtime.block_on(sources::take(shared, batch, Source::Scrape))
    {
        shared.failed(&error);
    }
}
