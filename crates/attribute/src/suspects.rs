use plimsoll_heap::{Growth, Holder};
use plimsoll_model::Suspect;

/// The holders of a study as a report shows them, at most `limit`, the first to look at first. Job
/// classes and allocation stacks are not the dumps' to tell.
pub fn suspects(growth: &Growth, limit: usize) -> Vec<Suspect> {
    growth
        .holders
        .iter()
        .take(limit)
        .enumerate()
        .map(|(at, holder)| suspect(at as u32 + 1, holder))
        .collect()
}

fn suspect(rank: u32, holder: &Holder) -> Suspect {
    Suspect {
        rank,
        pattern: holder.pattern,
        type_name: holder.type_name.clone(),
        holder: Some(holder.name.clone()),
        holder_type: Some(holder.holder_type.clone()),
        module: holder.module.clone(),
        source: holder.source.as_ref().map(ToString::to_string),
        count_per_job: Some(holder.count_per_job),
        bytes_per_job: Some(holder.bytes_per_job),
        retained_bytes: holder.retained_bytes.last().copied().flatten(),
        retainer_path: holder.retainer_path.clone(),
        allocation_stacks: Vec::new(),
        job_class: None,
        explanation: holder.explanation.clone(),
        remedies: holder.remedies.clone(),
    }
}
