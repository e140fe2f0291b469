//! Names who holds what grew: `cargo run -p plimsoll-heap --example growth FILE@JOBS FILE@JOBS …`.
use plimsoll_heap::{Detail, DumpParser, GrowthStudy, NoSources, Point};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut study = GrowthStudy::new(None);
    for dump in std::env::args().skip(1) {
        let (file, jobs) = dump.rsplit_once('@').ok_or("usage: growth FILE@JOBS …")?;
        study.make_room();
        let mut parser = DumpParser::new(Detail::References);
        parser.feed(&std::fs::read(file)?)?;
        let point = Point {
            label: file.to_owned(),
            jobs: jobs.parse()?,
            ..Point::default()
        };
        study.add(point, parser.finish()?);
    }
    for holder in study.finish(&NoSources).holders.iter().take(10) {
        println!(
            "{} ({}) holds {}: {:.1} bytes and {:.3} objects per job, {:?}\n  {}",
            holder.name,
            holder.holder_type,
            holder.type_name,
            holder.bytes_per_job,
            holder.count_per_job,
            holder.trend,
            holder.retainer_path.join(" → ")
        );
    }
    Ok(())
}
