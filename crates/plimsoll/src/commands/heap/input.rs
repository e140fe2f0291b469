//! Dumps from files and pipes, plain, gzip or zstd, into graphs.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use plimsoll_heap::{
    Detail, Dominators, DumpError, DumpParser, Format, Graph, RetainingEdges, Summary, Types,
};

const SUPPORTED: &str = "supported are V8 heap snapshots (.heapsnapshot), JVM heap dumps (.hprof) and CPython \
     heap pictures (`plimsoll heap capture`), plain or compressed with gzip or zstd";
/// Large enough that handing pieces over costs nothing, small enough to stay in the cache.
const PIECE_BYTES: usize = 4 << 20;
/// Pieces under way between the reader and the parser.
const PIECES: usize = 4;

/// A dump with what nearly every question needs.
pub struct Dump {
    pub graph: Graph,
    pub types: Types,
    pub dominators: Dominators,
}

/// Reads a dump and computes dominators; `-` is standard input.
pub fn read(path: &Path, detail: Detail) -> anyhow::Result<Dump> {
    let graph = read_graph(path, detail)?;
    let edges = RetainingEdges::of(&graph);
    Ok(weigh(graph, edges, path))
}

/// The same for questions about nodes alone: names of types are kept, labels of edges are not.
pub fn read_nodes(path: &Path) -> anyhow::Result<Dump> {
    let mut graph = read_graph(path, Detail::Types)?;
    let edges = RetainingEdges::of(&graph);
    graph.forget_labels();
    Ok(weigh(graph, edges, path))
}

fn weigh(graph: Graph, edges: RetainingEdges, path: &Path) -> Dump {
    let progress = Progress::of(path);
    progress.phase("computing retained sizes");
    let dominators = Dominators::over(&graph, edges);
    let types = Types::of(&graph);
    progress.clear();
    Dump {
        graph,
        types,
        dominators,
    }
}

/// Reads a dump; `-` is standard input.
pub fn read_graph(path: &Path, detail: Detail) -> anyhow::Result<Graph> {
    let progress = Progress::of(path);
    let parser = read_with(path, detail, &progress)?;
    progress.phase("putting the graph together");
    let graph = parser.finish().map_err(|error| explain(path, &error));
    progress.clear();
    graph
}

/// Counts and shallow sizes by type alone.
pub fn read_shallow(path: &Path) -> anyhow::Result<(Format, Summary)> {
    let progress = Progress::of(path);
    let parser = read_with(path, Detail::Shallow, &progress)?;
    let rows = parser.finish_shallow().map_err(|error| explain(path, &error));
    progress.clear();
    rows
}

fn explain(path: &Path, error: &DumpError) -> anyhow::Error {
    let hint = if error.is_foreign() {
        format!("; {SUPPORTED}")
    } else {
        String::new()
    };
    anyhow::anyhow!("`{}`: {error}{hint}", path.display())
}

/// Reads to the end and hands out the parser.
fn read_with(path: &Path, detail: Detail, progress: &Progress) -> anyhow::Result<DumpParser> {
    let name = path.display();
    progress.phase("reading");
    let mut source = open(path).with_context(|| format!("cannot open `{name}`"))?;
    let parsed = std::thread::scope(|scope| {
        let (full, pieces) = sync_channel(PIECES);
        let (used, spare) = sync_channel(PIECES + 2);
        let reader = scope.spawn(move || read_pieces(&mut source, &full, &spare));
        let parsed = parse(&pieces, &used, detail, progress);
        drop((pieces, used));
        let read = reader
            .join()
            .unwrap_or_else(|_| Err(std::io::Error::other("the reading thread died")));
        read.map(|()| parsed)
    });
    let parsed = parsed.with_context(|| format!("cannot read `{name}`"))?;
    parsed.map_err(|error| explain(path, &error))
}

fn parse(
    pieces: &Receiver<Vec<u8>>,
    used: &SyncSender<Vec<u8>>,
    detail: Detail,
    progress: &Progress,
) -> Result<DumpParser, DumpError> {
    let mut parser = DumpParser::new(detail);
    for piece in pieces {
        parser.feed(&piece)?;
        progress.advance(piece.len());
        // The reader may have come to the end of the input already.
        let _ = used.try_send(piece);
    }
    Ok(parser)
}

fn read_pieces(
    source: &mut dyn Read,
    full: &SyncSender<Vec<u8>>,
    spare: &Receiver<Vec<u8>>,
) -> std::io::Result<()> {
    loop {
        let mut piece = spare.try_recv().unwrap_or_default();
        piece.resize(PIECE_BYTES, 0);
        let taken = fill(source, &mut piece)?;
        piece.truncate(taken);
        // The parser goes away on its first error.
        if taken == 0 || full.send(piece).is_err() {
            return Ok(());
        }
    }
}

fn fill(source: &mut dyn Read, piece: &mut [u8]) -> std::io::Result<usize> {
    let mut taken = 0;
    while taken < piece.len() {
        match source.read(&mut piece[taken..]) {
            Ok(0) => break,
            Ok(more) => taken += more,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(taken)
}

fn open(path: &Path) -> std::io::Result<Box<dyn Read + Send>> {
    let mut source: Box<dyn Read + Send> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(path)?)
    };
    let mut magic = [0; 4];
    let taken = fill(&mut source, &mut magic)?;
    let whole = std::io::Cursor::new(magic[..taken].to_vec()).chain(source);
    Ok(match magic {
        [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(whole)),
        [0x28, 0xb5, 0x2f, 0xfd] => {
            Box::new(ruzstd::decoding::StreamingDecoder::new(whole).map_err(std::io::Error::other)?)
        }
        _ => Box::new(whole),
    })
}

/// What goes on, on stderr, if that is a terminal.
struct Progress {
    bar: ProgressBar,
}

impl Progress {
    fn of(path: &Path) -> Self {
        let bytes = std::fs::metadata(path)
            .map(|file| file.len())
            .ok()
            .filter(|bytes| *bytes > 0);
        let bar = bytes.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr_with_hz(10)
        } else {
            ProgressDrawTarget::hidden()
        };
        bar.set_draw_target(target);
        let template = if bytes.is_some() {
            "{bar:24} {percent:>3}%  {wide_msg}"
        } else {
            "{spinner} {wide_msg}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        Self { bar }
    }

    fn phase(&self, phase: &'static str) {
        self.bar.set_message(phase);
        self.bar.tick();
    }

    /// Of a compressed file, more comes out than went in: the bar stays full then.
    fn advance(&self, bytes: usize) {
        let full = self.bar.length().unwrap_or(u64::MAX);
        self.bar
            .set_position((self.bar.position() + bytes as u64).min(full));
    }

    fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
