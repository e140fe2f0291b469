#!/bin/sh
# Heap questions side by side with the engine of Chrome DevTools (npm heap-snapshot-toolkit): wall time and
# peak memory of both, and their ratio. Needs node, npm, cargo, GNU time, and some 4 GB of disk and 12 GB of
# memory for the peer at the full size: `benches/heap/run.sh [JOBS] [FOLDER]`, JOBS 1000000 by default (1.2 GB).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
jobs=${1:-1000000}
work=${2:-${TMPDIR:-/tmp}/plimsoll-bench-heap}
mkdir -p "$work"
cargo build --release --quiet --manifest-path "$here/../../Cargo.toml" -p plimsoll
ours=$here/../../target/release/plimsoll
cp "$here/toolkit.mjs" "$work/"
[ -d "$work/node_modules/heap-snapshot-toolkit" ] || npm install --silent --no-save --prefix "$work" heap-snapshot-toolkit@1.1.3

a=$work/a-$jobs.heapsnapshot b=$work/b-$jobs.heapsnapshot strings=$work/strings-$jobs.heapsnapshot
[ -s "$b" ] || node --max-old-space-size=16000 "$here/dump.js" $((jobs * 3 / 4)) "$a" "$jobs" "$b"
[ -s "$strings" ] || node --max-old-space-size=8000 "$here/strings.js" $((jobs * 3 / 4)) "$strings"

# Prints "seconds kilobytes"; "failed" if the command did.
measure() {
  if /usr/bin/time -f '%e %M' -o "$work/time" "$@" >"$work/out" 2>"$work/err"; then tail -1 "$work/time"; else echo failed; fi
}

row() {
  name=$1 one=$2 other=$3
  echo "$one $other" | awk -v name="$name" '
    { peer = ($3 == "failed") ? "failed" : sprintf("%6.1f s %7.0f MB", $3, $4 / 1000)
      ratio = ($3 == "failed") ? "" : sprintf("%5.1f x time %5.1f x memory", $3 / $1, $4 / $2)
      printf "%-22s %6.1f s %6.0f MB   %-20s %s\n", name, $1, $2 / 1000, peer, ratio }'
}

peer="node --max-old-space-size=16000 $work/toolkit.mjs"
ls -l "$a" "$b" "$strings" | awk '{ printf "%s: %.0f MB\n", $NF, $5 / 1e6 }'
printf '%-22s %-20s %-20s\n' '' plimsoll heap-snapshot-toolkit
row 'summary' "$(measure "$ours" heap summary --json "$b")" "$(measure $peer summary "$b")"
row 'diff of the pair' "$(measure "$ours" heap diff --json "$a" "$b")" "$(measure $peer diff "$a" "$b")"
row 'summary of strings' "$(measure "$ours" heap summary --json "$strings")" "$(measure $peer summary "$strings")"
