//! What metrics of others are called, and what they mean to us.
//!
//! OpenTelemetry semantic conventions with their deprecated names, prom-client, prometheus_client and
//! Micrometer. Dots become underscores, as Prometheus has it.

/// What a metric means.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slot {
    /// Resident memory.
    Rss,
    /// Managed heap in use.
    HeapUsed,
    /// Managed heap taken from the system.
    HeapCommitted,
    /// Memory outside the heap that objects own.
    External,
    /// Heap in use after the last collection.
    Live,
    /// Most that the heap may take.
    Limit,
    /// Open descriptors.
    Fds,
    /// Threads.
    Threads,
    /// Jobs completed, of a class.
    Jobs(String),
    /// Another series of ours.
    Series(&'static str),
}

/// Labels of a metric.
pub type Labels = [(String, String)];

fn label<'a>(labels: &'a Labels, names: &[&str]) -> Option<&'a str> {
    let find = |wanted: &&str| labels.iter().find(|(name, _)| name == wanted);
    names.iter().find_map(find).map(|(_, value)| value.as_str())
}

fn is_heap(labels: &Labels) -> bool {
    label(labels, &["jvm_memory_type", "area", "type"]) == Some("heap")
}

/// What `name` with its labels means, if anything. Both have underscores for dots.
pub fn slot(name: &str, labels: &Labels) -> Option<Slot> {
    let name = name.strip_suffix("_total").unwrap_or(name);
    let name = name.strip_suffix("_bytes").unwrap_or(name);
    Some(match name {
        "process_resident_memory" | "process_memory_usage" | "process_memory_rss" => Slot::Rss,
        "process_runtime_cpython_memory" if label(labels, &["type"]) == Some("rss") => Slot::Rss,
        "nodejs_heap_size_used" | "v8js_memory_heap_used" => Slot::HeapUsed,
        "nodejs_heap_size" | "nodejs_heap_size_total" | "v8js_memory_heap_limit" => Slot::HeapCommitted,
        "nodejs_external_memory" => Slot::External,
        "jvm_memory_used" | "jvm_memory_bytes_used" | "process_runtime_jvm_memory_usage"
            if is_heap(labels) =>
        {
            Slot::HeapUsed
        }
        "jvm_memory_committed" | "jvm_memory_bytes_committed" | "process_runtime_jvm_memory_committed"
            if is_heap(labels) =>
        {
            Slot::HeapCommitted
        }
        "jvm_memory_used_after_last_gc" | "process_runtime_jvm_memory_usage_after_last_gc"
            if is_heap(labels) =>
        {
            Slot::Live
        }
        "jvm_gc_live_data_size" => Slot::Live,
        "jvm_memory_limit" | "jvm_memory_max" | "jvm_memory_bytes_max" if is_heap(labels) => Slot::Limit,
        "process_open_fds"
        | "process_open_file_descriptor_count"
        | "process_open_file_descriptors"
        | "process_unix_file_descriptor_count"
        | "process_files_open_files" => Slot::Fds,
        "process_thread_count"
        | "process_threads"
        | "jvm_thread_count"
        | "jvm_threads_live_threads"
        | "jvm_threads_live"
        | "jvm_threads_current" => Slot::Threads,
        "nodejs_eventloop_delay_p99"
        | "nodejs_eventloop_delay_p99_seconds"
        | "nodejs_eventloop_lag_p99_seconds" => Slot::Series("event_loop_p99_seconds"),
        "nodejs_eventloop_delay_p50"
        | "nodejs_eventloop_delay_p50_seconds"
        | "nodejs_eventloop_lag_p50_seconds" => Slot::Series("event_loop_p50_seconds"),
        _ => return jobs(name, labels),
    })
}

/// Counters of jobs: messaging conventions, and names that worker code commonly uses.
fn jobs(name: &str, labels: &Labels) -> Option<Slot> {
    let messaging = [
        "messaging_client_consumed_messages",
        "messaging_process_messages",
        "messaging_process_duration_count",
        "messaging_process_duration_seconds_count",
    ];
    let own = [
        "plimsoll_jobs",
        "jobs_processed",
        "jobs_completed",
        "job_duration_seconds_count",
        "jobs_duration_seconds_count",
    ];
    let class = if messaging.contains(&name) {
        label(
            labels,
            &[
                "messaging_destination_name",
                "messaging_destination",
                "destination",
            ],
        )
    } else if own.contains(&name) {
        label(
            labels,
            &["class", "job_name", "task", "job_class", "queue", "name"],
        )
    } else {
        return None;
    };
    Some(Slot::Jobs(class.unwrap_or("job").to_owned()))
}

/// The runtime that a metric of this name tells of.
pub fn runtime(name: &str) -> Option<&'static str> {
    [
        ("nodejs_", "node"),
        ("v8js_", "node"),
        ("jvm_", "jvm"),
        ("python_", "python"),
        ("cpython_", "python"),
        ("process_runtime_jvm", "jvm"),
        ("process_runtime_cpython", "python"),
    ]
    .iter()
    .find(|(start, _)| name.starts_with(start))
    .map(|(_, runtime)| *runtime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_are_known() {
        for (name, labels, expected) in [
            ("process_resident_memory_bytes", &[][..], Some(Slot::Rss)),
            ("process_memory_usage", &[], Some(Slot::Rss)),
            (
                "v8js_memory_heap_used",
                &[("v8js_heap_space_name", "old_space")],
                Some(Slot::HeapUsed),
            ),
            ("nodejs_heap_size_used_bytes", &[], Some(Slot::HeapUsed)),
            ("nodejs_heap_size_total_bytes", &[], Some(Slot::HeapCommitted)),
            (
                "jvm_memory_used_bytes",
                &[("area", "heap"), ("id", "G1 Old Gen")],
                Some(Slot::HeapUsed),
            ),
            ("jvm_memory_used_bytes", &[("area", "nonheap")], None),
            (
                "jvm_memory_used_after_last_gc",
                &[("jvm_memory_type", "heap")],
                Some(Slot::Live),
            ),
            ("process_open_fds", &[], Some(Slot::Fds)),
            (
                "messaging_client_consumed_messages_total",
                &[("messaging_destination_name", "email")],
                Some(Slot::Jobs("email".into())),
            ),
            (
                "jobs_processed_total",
                &[("queue", "mail")],
                Some(Slot::Jobs("mail".into())),
            ),
            ("http_requests_total", &[], None),
        ] {
            let labels: Vec<(String, String)> = labels
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect();
            assert_eq!(slot(name, &labels), expected, "{name}");
        }
    }
}
