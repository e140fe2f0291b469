// The peer: the engine of Chrome DevTools, as packaged on npm. Prints a line of its answer.
import { createReadStream } from 'node:fs';
import { diffFromStreams, parse } from 'heap-snapshot-toolkit';

const read = (file) => createReadStream(file, 'utf-8');
const [what, ...files] = process.argv.slice(2);
if (what === 'summary') {
  const snapshot = await parse(read(files[0]));
  console.log(Object.keys(snapshot.aggregatesWithFilter({})).length, 'types');
} else {
  for await (const { type, result } of diffFromStreams(read(files[0]), read(files[1]))) {
    if (type === 'diff') console.log(Object.keys(result).length, 'types changed');
  }
}
