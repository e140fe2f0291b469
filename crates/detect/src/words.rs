//! The sentences of a verdict.

use plimsoll_model::{Channel, HumanBytes, Status};

use crate::assessment::Axis;
use crate::channels::{Fitted, Source, rules};
use crate::judge::{Effect, bent, capped};
use crate::settings::Settings;

pub(crate) fn round_up(value: f64) -> f64 {
    let unit = 10f64.powf(value.max(1.0).log10().floor() - 1.0).max(1.0);
    (value / unit).ceil() * unit
}

pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} seconds"),
        s if s < 7200.0 => format!("{:.0} minutes", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} hours", s / 3600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}

fn what(fitted: &Fitted) -> &'static str {
    match (fitted.channel, fitted.source) {
        (Channel::Heap, Source::Floors) => "the live heap",
        (Channel::Heap, Source::Collections) => "the live heap after full collections",
        (Channel::Heap, Source::Samples) => "the lower envelope of the heap in use",
        (Channel::External, _) => "memory of buffers outside the heap",
        (Channel::Native, _) => "resident memory that neither heap nor buffers explain",
        (Channel::Rss, _) => "resident memory",
        (Channel::Fds, _) => "the number of open descriptors",
        (Channel::Threads, _) => "the number of threads",
        (Channel::Backlog, _) => "the backlog",
    }
}

fn amount(fitted: &Fitted, value: f64) -> String {
    if rules(fitted.channel, fitted.source).is_bytes {
        HumanBytes(value).to_string()
    } else {
        format!("{value:.3}")
    }
}

fn unit(axis: Axis) -> (&'static str, f64) {
    match axis {
        Axis::Jobs => ("job", 1.0),
        Axis::Time => ("hour", 3600.0),
    }
}

pub(crate) fn reasons(
    fitted: &Fitted,
    status: Status,
    judged: bool,
    effect: &Effect,
    settings: &Settings,
) -> Vec<String> {
    let trend = &fitted.trend;
    let (per, factor) = unit(fitted.axis);
    let show = |value: f64| amount(fitted, value * factor);
    let name = what(fitted);
    let least = effect.on(fitted);
    let interval = format!(
        "{} a {per} ({:.0} % interval {} to {})",
        show(trend.estimate.clamp(trend.low, trend.high)),
        settings.confidence * 100.0,
        show(trend.low),
        show(trend.high)
    );
    let total = amount(fitted, trend.total_growth);
    if !judged {
        return vec![format!(
            "{name} gained {total}; it is judged only over {} or more, since it rises in sound workers too",
            duration(rules(fitted.channel, fitted.source).least_seconds)
        )];
    }
    let mut reasons = vec![match status {
        Status::Leaking => format!(
            "{name} grows by {interval}, above the minimum effect of {} a {per}",
            show(least)
        ),
        Status::Bounded => format!("{name} gained {total} and levelled off: it now changes by {interval}"),
        Status::Stable => {
            format!(
                "{name} changes by {interval}, inside ± the minimum effect of {} a {per}",
                show(least)
            )
        }
        Status::Inconclusive => {
            format!(
                "{name} changes by {interval}; the minimum effect is {} a {per}",
                show(least)
            )
        }
    }];
    reasons.extend(why(fitted, status, least, settings));
    reasons
}

fn why(fitted: &Fitted, status: Status, least: f64, settings: &Settings) -> Option<String> {
    let trend = &fitted.trend;
    let allowance = rules(fitted.channel, fitted.source).allowance;
    let total = amount(fitted, trend.total_growth);
    if status == Status::Bounded && capped(fitted, settings) {
        let cap = HumanBytes(settings.cap_bytes.unwrap_or(0) as f64);
        return Some(format!("the {total} gained are within the declared cap of {cap}"));
    }
    match status {
        Status::Leaking => Some(format!(
            "the growth has not bent: {total} over the record, and it held on two looks"
        )),
        Status::Inconclusive if bent(trend) => {
            Some("growth slows down, but it has not been seen to end".to_owned())
        }
        Status::Inconclusive if trend.low > least && trend.total_growth <= allowance => Some(format!(
            "{total} in all is no more than a runtime gains by itself while it warms up"
        )),
        Status::Inconclusive if trend.late.low > least => Some(
            "memory rises steadily, but a cache that has not reached its cap would look the same".to_owned(),
        ),
        Status::Inconclusive => Some("the interval is too wide to tell growth from none".to_owned()),
        Status::Stable | Status::Bounded => None,
    }
}
