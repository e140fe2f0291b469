/** What each page shows. */

import { act, read, type AuditRow, type Incident, type JobClass, type SeriesByName, type Service, type Stack, type Suspect, type Verdict, type Worker, type WorkerDetail } from './api';
import { chart, type Panel } from './chart';
import { h, table, type Column } from './dom';
import { ago, bytes, count, duration, instant, rate, SIGNS } from './words';

export type Page = (parts: string[]) => Promise<HTMLElement[]>;

function badge(status: string | null | undefined): HTMLElement {
  return status ? h('span', { class: `badge ${status}` }, `${SIGNS[status] ?? ''} ${status}`) : h('span', { class: 'faint' }, 'not judged yet');
}

function growth(verdict: Verdict | null): string {
  if (!verdict) return '–';
  if (verdict.bytes_per_job) return `${bytes(verdict.bytes_per_job.estimate)}/job`;
  return verdict.bytes_per_hour ? `${bytes(verdict.bytes_per_hour.estimate)}/h` : '–';
}

/** Time until full, only where something is known to grow. */
function forecast(verdict: Verdict | null): string {
  return verdict?.status === 'leaking' && verdict.exhaustion_in_seconds ? `full in ${duration(verdict.exhaustion_in_seconds.estimate)}` : '–';
}

function meter(used: number | null, limit: number | null): HTMLElement {
  if (used === null) return h('span', { class: 'faint' }, '–');
  const share = limit ? Math.min(1, used / limit) : 0;
  const bar = h('span', { class: `meter ${share > 0.9 ? 'hot' : ''}` }, h('span', { style: `width:${(share * 100).toFixed(1)}%` }));
  return h('span', {}, limit ? bar : null, `${bytes(used)}${limit ? ` of ${bytes(limit)}` : ''}`);
}

const RANK: Record<string, number> = { leaking: 4, inconclusive: 2, bounded: 1, stable: 0 };
const rank = (verdict: Verdict | null): number => (verdict ? RANK[verdict.status] ?? 0 : 1);
const who = (worker: Worker): string => `${worker.host ?? ''}${worker.pid ? ` pid ${worker.pid}` : ''}`.trim() || `worker ${worker.id}`;

function workerColumns(withService: boolean): Column<Worker>[] {
  const columns: Column<Worker>[] = [
    { title: 'worker', cell: (w) => who(w), sort: (w) => w.id },
    { title: 'verdict', cell: (w) => badge(w.verdict?.status), sort: (w) => rank(w.verdict) },
    { title: 'memory', cell: (w) => meter(w.rss_bytes, w.limit_bytes), sort: (w) => w.rss_bytes ?? 0 },
    { title: 'live heap', cell: (w) => bytes(w.live_heap_bytes ?? w.heap_used_bytes), sort: (w) => w.live_heap_bytes ?? 0, right: true },
    { title: 'growth', cell: (w) => growth(w.verdict), sort: (w) => w.verdict?.bytes_per_hour?.estimate ?? 0, right: true },
    { title: 'forecast', cell: (w) => forecast(w.verdict), sort: (w) => -(w.verdict?.exhaustion_in_seconds?.estimate ?? 1e18), right: true },
    { title: 'jobs', cell: (w) => count(w.jobs), sort: (w) => w.jobs, right: true },
    { title: 'pace', cell: (w) => rate(w.jobs_per_second), sort: (w) => w.jobs_per_second ?? 0, right: true },
    { title: 'release', cell: (w) => w.release ?? '–', sort: (w) => w.release ?? '' },
    { title: 'seen', cell: (w) => (w.state === 'live' ? 'live' : `${w.state}, ${ago(w.last_seen_at)}`), sort: (w) => w.last_seen_at },
  ];
  if (withService) columns.splice(1, 0, { title: 'service', cell: (w) => w.service, sort: (w) => w.service });
  return columns;
}

const workerTable = (workers: Worker[], withService: boolean): HTMLElement =>
  table(workers.toSorted((a, b) => rank(b.verdict) - rank(a.verdict)), workerColumns(withService), (w) => `#/workers/${w.id}`);

function tile(label: string, value: string | HTMLElement, note = ''): HTMLElement {
  return h('div', { class: 'tile' }, h('span', { class: 'faint' }, label), h('b', {}, value), h('small', { class: 'faint' }, note));
}

let filterText = '';

export const fleet: Page = async () => {
  const [{ services }, { workers, total }, { incidents }] = await Promise.all([
    read<{ services: Service[] }>('/services'),
    read<{ workers: Worker[]; total: number }>('/workers?limit=2000'),
    read<{ incidents: Incident[] }>('/incidents?state=open'),
  ]);
  if (total === 0) return [empty()];
  const list = h('div');
  const draw = (): void => {
    const words = filterText.toLowerCase();
    list.replaceChildren(workerTable(workers.filter((w) => `${w.service} ${who(w)} ${w.release} ${w.verdict?.status}`.toLowerCase().includes(words)), true));
  };
  const filter = h('input', { id: 'filter', type: 'search', placeholder: 'filter workers ( / )', 'aria-label': 'Filter workers', value: filterText,
    input: (event) => { filterText = (event.target as HTMLInputElement).value; draw(); } });
  draw();
  const leaking = workers.filter((w) => w.verdict?.status === 'leaking').length;
  return [
    h('div', { class: 'tiles' },
      tile('workers', count(total), `${count(workers.filter((w) => w.state === 'live').length)} live`),
      tile('leaking', count(leaking)),
      tile('open incidents', count(incidents.length)),
      tile('jobs', count(services.reduce((sum, s) => sum + s.jobs, 0)))),
    ...(incidents.length ? [h('h2', {}, 'Open incidents'), incidentTable(incidents)] : []),
    h('h2', {}, 'Services'),
    table(services.toSorted((a, b) => (RANK[b.status ?? ''] ?? 1) - (RANK[a.status ?? ''] ?? 1)), [
      { title: 'service', cell: (s) => s.service, sort: (s) => s.service },
      { title: 'verdict', cell: (s) => badge(s.status), sort: (s) => RANK[s.status ?? ''] ?? 1 },
      { title: 'live workers', cell: (s) => `${s.live} of ${s.workers}`, sort: (s) => s.live, right: true },
      { title: 'memory', cell: (s) => bytes(s.rss_bytes), sort: (s) => s.rss_bytes ?? 0, right: true },
      { title: 'jobs', cell: (s) => count(s.jobs), sort: (s) => s.jobs, right: true },
      { title: 'releases', cell: (s) => s.releases.join(', ') || '–' },
    ], (s) => `#/services/${encodeURIComponent(s.service)}`),
    h('h2', {}, 'Workers'), filter, list,
  ];
};

function empty(): HTMLElement {
  return h('section', { class: 'empty' },
    h('h1', {}, 'No workers yet'),
    h('p', {}, 'Start one beside its command, on this machine:'),
    h('pre', {}, `plimsoll run --server ${location.origin} -- node worker.js`),
    h('p', {}, 'or send OpenTelemetry metrics and spans to ', h('code', {}, `${location.origin}/v1/metrics`), ' and ', h('code', {}, '/v1/traces'),
      ', Prometheus remote write to ', h('code', {}, '/api/v1/write'), ', or have a ', h('code', {}, '/metrics'), ' read with ',
      h('code', {}, '--scrape SERVICE=URL'), '.'));
}

export const service: Page = async ([name = '']) => {
  const found = await read<Omit<Service, 'workers'> & { workers: Worker[]; job_classes: JobClass[] }>(`/services/${encodeURIComponent(name)}`);
  return [
    h('h1', {}, found.service, ' ', badge(found.status)),
    ...(found.incidents.length ? [h('p', {}, 'Open incidents: ', ...found.incidents.map((id) => h('a', { href: `#/incidents/${id}` }, `#${id} `)))] : []),
    h('h2', {}, 'Job classes'), classTable(found.job_classes, false),
    h('h2', {}, 'Workers'), workerTable(found.workers, false),
  ];
};

function classTable(classes: JobClass[], withService: boolean): HTMLElement {
  const columns: Column<JobClass>[] = [
    { title: 'class', cell: (c) => c.class, sort: (c) => c.class },
    { title: 'verdict', cell: (c) => badge(c.status), sort: (c) => RANK[c.status] ?? 0 },
    { title: 'left per job', cell: (c) => bytes(c.bytes_per_job?.estimate), sort: (c) => c.bytes_per_job?.estimate ?? 0, right: true },
    { title: '95 % interval', cell: (c) => (c.bytes_per_job ? `${bytes(c.bytes_per_job.low)} to ${bytes(c.bytes_per_job.high)}` : '–'), right: true },
    { title: 'jobs', cell: (c) => count(c.jobs), sort: (c) => c.jobs, right: true },
    { title: 'failed', cell: (c) => count(c.failed), sort: (c) => c.failed, right: true },
    { title: 'peak', cell: (c) => bytes(c.peak_bytes), sort: (c) => c.peak_bytes ?? 0, right: true },
    { title: 'p50', cell: (c) => duration(c.duration_seconds?.p50), sort: (c) => c.duration_seconds?.p50 ?? 0, right: true },
    { title: 'p95', cell: (c) => duration(c.duration_seconds?.p95), sort: (c) => c.duration_seconds?.p95 ?? 0, right: true },
  ];
  if (withService) columns.splice(1, 0, { title: 'service', cell: (c) => c.service, sort: (c) => c.service });
  return classes.length ? table(classes, columns) : h('p', { class: 'faint' }, 'No jobs were told apart yet.');
}

export const jobClasses: Page = async () => {
  const { job_classes } = await read<{ job_classes: JobClass[] }>('/job-classes');
  return [h('h1', {}, 'Job classes'), classTable(job_classes, true)];
};

function verdictBox(verdict: Verdict | null): HTMLElement {
  if (!verdict) return h('p', { class: 'faint' }, 'Not judged yet: a verdict needs some floors or some minutes.');
  return h('section', { class: `verdict ${verdict.status}` },
    h('p', {}, badge(verdict.status), ' ', h('b', {}, growth(verdict)), verdict.status === 'leaking' ? ` · ${forecast(verdict)}` : ''),
    h('ul', {}, ...verdict.reasons.map((reason) => h('li', {}, reason))),
    verdict.status === 'inconclusive' && verdict.next.length ? h('div', {}, h('p', { class: 'faint' }, 'What would settle it:'), h('ul', {}, ...verdict.next.map((next) => h('li', {}, next)))) : null);
}

/** Stacks as a flame graph: the outermost frame on top, width in bytes. */
function flame(stacks: Stack[]): HTMLElement {
  interface Frame { bytes: number; below: Map<string, Frame> }
  const root: Frame = { bytes: 0, below: new Map() };
  for (const stack of stacks) {
    let at = root;
    at.bytes += stack.bytes;
    for (const name of stack.frames.toReversed()) {
      let next = at.below.get(name);
      if (!next) at.below.set(name, next = { bytes: 0, below: new Map() });
      next.bytes += stack.bytes;
      at = next;
    }
  }
  const draw = (frame: Frame): HTMLElement => h('div', { class: 'frames' },
    ...[...frame.below].sort((a, b) => b[1].bytes - a[1].bytes).map(([name, below]) =>
      h('div', { style: `flex:${below.bytes} 0 0` }, h('div', { class: 'frame', title: `${name} · ${bytes(below.bytes)}` }, name), below.below.size ? draw(below) : null)));
  return h('div', { class: 'flame' }, draw(root));
}

function suspects(list: Suspect[]): HTMLElement[] {
  return list.map((suspect) => h('details', { class: 'suspect', ...(suspect.rank === 1 ? { open: '' } : {}) },
    h('summary', {}, h('b', {}, `${suspect.rank}. ${suspect.holder ?? suspect.type}`), suspect.source ? h('code', {}, ` ${suspect.source}`) : '', h('span', { class: 'faint' }, ` ${suspect.pattern} · ${bytes(suspect.bytes_per_job)} per job`)),
    h('p', {}, suspect.explanation),
    suspect.retainer_path.length ? h('ol', { class: 'path', 'aria-label': 'Retainer path' }, ...suspect.retainer_path.map((step) => h('li', {}, step))) : null,
    suspect.allocation_stacks.length ? h('div', {}, h('p', { class: 'faint' }, 'Allocated at'), flame(suspect.allocation_stacks)) : null,
    suspect.remedies.length ? h('div', {}, h('p', { class: 'faint' }, 'What to do'), h('ol', {}, ...suspect.remedies.map((remedy) => h('li', {}, remedy)))) : null));
}

function panels(series: SeriesByName): Panel[] {
  const pick = (names: [string, string][]): Panel['series'] =>
    names.flatMap(([name, label]) => { const points = series[name]; return points?.length ? [{ label, points }] : []; });
  const matching = (pattern: RegExp): Panel['series'] => Object.entries(series).flatMap(([name, points]) => {
    const found = pattern.exec(name);
    return found && points.length ? [{ label: found[1] ?? name, points }] : [];
  }).slice(0, 8);
  const rates = (list: Panel['series']): Panel['series'] => list.map(({ label, points }) => ({ label, points: perSecond(points) }));
  const all: Panel[] = [
    { title: 'Memory', unit: 'bytes', series: pick([['rss_bytes', 'resident, whole tree'], ['process_rss_bytes', 'resident'], ['heap_committed_bytes', 'heap committed'], ['heap_used_bytes', 'heap used'], ['external_bytes', 'external']]) },
    { title: 'Live heap (floors and full collections)', unit: 'bytes', series: pick([['live_heap_bytes', 'floor'], ['gc_live_bytes', 'after a full collection']]) },
    { title: 'Heap by space', unit: 'bytes', series: matching(/^heap_space_bytes\{space="(.*)"\}$/) },
    { title: 'Jobs by class, per second', unit: 'count', series: rates(matching(/^jobs\{class="(.*)"\}$/)) },
    { title: 'Jobs in flight and waiting', unit: 'count', series: pick([['in_flight', 'in flight'], ['backlog', 'waiting']]) },
    { title: 'Event loop delay', unit: 'seconds', series: pick([['event_loop_p50_seconds', 'p50'], ['event_loop_p99_seconds', 'p99']]) },
    { title: 'Collections: share of time', unit: 'count', series: rates(pick([['gc_pause_seconds_total', 'pause s per s']])) },
    { title: 'Descriptors and threads', unit: 'count', series: pick([['fds', 'descriptors'], ['threads', 'threads']]) },
  ];
  return all.filter((panel) => panel.series.length > 0);
}

function perSecond(points: [number, number][]): [number, number][] {
  return points.slice(1).map(([at, value], n): [number, number] => {
    const [before, then] = points[n]!;
    return [at, Math.max(0, value - then) / Math.max(1e-3, (at - before) / 1000)];
  });
}

/** Live heap against completed jobs: the picture that tells a leak. */
function perJob(series: SeriesByName): Panel | null {
  const counts = Object.entries(series).filter(([name]) => name.startsWith('jobs{')).map(([, points]) => points);
  const floors = series.live_heap_bytes ?? series.gc_live_bytes ?? [];
  if (!counts.length || floors.length < 3) return null;
  const jobsAt = (at: number): number => counts.reduce((sum, points) => sum + (points.findLast(([then]) => then <= at)?.[1] ?? 0), 0);
  const byJobs = new Map(floors.map(([at, live]) => [jobsAt(at), live]));
  return { title: 'Live heap over completed jobs', unit: 'bytes', series: [{ label: 'live heap', points: [...byJobs].sort((a, b) => a[0] - b[0]) }] };
}

export const worker: Page = async ([id = '']) => {
  const [found, { series }] = await Promise.all([read<WorkerDetail>(`/workers/${id}`), read<{ series: SeriesByName }>(`/workers/${id}/series`)]);
  const width = Math.max(320, Math.min(760, (document.querySelector('main')?.clientWidth ?? 800) / (innerWidth > 1100 ? 2 : 1) - 40));
  const jobs = perJob(series);
  return [
    h('h1', {}, h('a', { href: `#/services/${encodeURIComponent(found.service)}` }, found.service), ` · ${who(found)} `, badge(found.verdict?.status)),
    h('p', { class: 'faint' }, [found.runtime, found.runtime_version, found.release && `release ${found.release}`, found.env, `by ${found.source}`, `began ${instant(found.began_at ?? null)}`, found.state].filter(Boolean).join(' · ')),
    h('p', {}, h('code', {}, found.command?.join(' ') ?? '')),
    verdictBox(found.verdict),
    h('div', { class: 'charts' }, ...panels(series).map((panel) => chart(panel, width, 'time', panel.title === 'Memory' ? found.limit_bytes : null)), ...(jobs ? [chart(jobs, width, 'jobs')] : [])),
    h('p', { class: 'faint' }, 'Drag to zoom, double-click to see all.'),
    h('h2', {}, 'Job classes'), classTable(found.job_classes ?? [], false),
    ...(found.report?.suspects.length ? [h('h2', {}, 'Suspects'), ...suspects(found.report.suspects)] : []),
    ...(found.report?.evidence.length ? [h('h2', {}, 'Evidence'), h('p', { class: 'faint' }, 'It stays on the machine of the worker.'), table(found.report.evidence, [
      { title: 'kind', cell: (e) => e.kind }, { title: 'jobs', cell: (e) => count(e.jobs), right: true }, { title: 'taken', cell: (e) => instant(e.taken_at) },
      { title: 'pause', cell: (e) => duration(e.pause_seconds), right: true }, { title: 'size', cell: (e) => bytes(e.bytes), right: true }, { title: 'where', cell: (e) => h('code', {}, e.path) },
    ])] : []),
  ];
};

const incidentTable = (incidents: Incident[]): HTMLElement => table(incidents, [
  { title: 'incident', cell: (i) => `#${i.id} ${i.title}`, sort: (i) => i.id },
  { title: 'state', cell: (i) => i.state, sort: (i) => i.state },
  { title: 'severity', cell: (i) => h('span', { class: `badge ${i.severity}` }, i.severity ?? '–'), sort: (i) => i.severity },
  { title: 'workers', cell: (i) => count(i.worker_count), sort: (i) => i.worker_count, right: true },
  { title: 'opened', cell: (i) => ago(i.opened_at), sort: (i) => i.opened_at },
], (i) => `#/incidents/${i.id}`);

export const incidents: Page = async () => {
  const found = await read<{ incidents: Incident[] }>('/incidents');
  return [h('h1', {}, 'Incidents'), found.incidents.length ? incidentTable(found.incidents) : h('p', { class: 'faint' }, 'Nothing has leaked yet.')];
};

export const incident: Page = async ([id = '']) => {
  const found = await read<Incident>(`/incidents/${id}`);
  const said = h('span', { class: 'faint', role: 'status' });
  const button = (label: string, path: string, body: object): HTMLElement => h('button', { type: 'button', click: () => {
    act(`/incidents/${id}/${path}`, body).then(() => { said.textContent = 'done'; dispatchEvent(new Event('hashchange')); }, (error: Error) => { said.textContent = error.message; });
  } }, label);
  const over = found.state === 'resolved';
  return [
    h('h1', {}, `#${found.id} ${found.title}`),
    h('p', {}, h('span', { class: `badge ${found.severity}` }, found.severity), ` ${found.state} · opened ${instant(found.opened_at)} · `, h('a', { href: `#/services/${encodeURIComponent(found.service)}` }, found.service), found.env ? ` · ${found.env}` : ''),
    h('p', { class: 'actions' }, over ? null : [found.state === 'open' ? button('Acknowledge', 'acknowledge', {}) : null, button('Silence for 2 h', 'silence', { for: '2h' }), button('Resolve', 'resolve', {})], ' ', said),
    verdictBox(found.verdict),
    h('h2', {}, 'Suspects'), ...(found.suspects.length ? suspects(found.suspects) : [h('p', { class: 'faint' }, 'None yet: who holds the memory is known when a run ends, or from heap dumps.')]),
    h('h2', {}, 'Workers'), h('ul', {}, ...found.workers.map((w) => h('li', {}, h('a', { href: `#/workers/${w.id}` }, w.name), w.release ? ` release ${w.release}` : ''))),
    h('h2', {}, 'Timeline'), table(found.timeline ?? [], [
      { title: 'when', cell: (e) => instant(e.at) }, { title: 'what', cell: (e) => e.kind }, { title: 'who', cell: (e) => e.actor }, { title: '', cell: (e) => e.text },
    ]),
  ];
};

export const audit: Page = async () => {
  const [{ audit: rows }, chain] = await Promise.all([
    read<{ audit: AuditRow[] }>('/audit?limit=10000'),
    read<{ entries: number; intact: boolean; fault: { seq: number; reason: string } | null }>('/audit/verify'),
  ]);
  return [
    h('h1', {}, 'Audit'),
    h('p', {}, chain.intact ? `The chain of hashes holds over ${count(chain.entries)} entries.` : `▲ The chain breaks at entry ${chain.fault?.seq}: ${chain.fault?.reason}`),
    table(rows.toReversed(), [
      { title: 'no.', cell: (r) => r.seq, right: true }, { title: 'when', cell: (r) => instant(r.at) }, { title: 'who', cell: (r) => r.actor, sort: (r) => r.actor },
      { title: 'what', cell: (r) => r.action, sort: (r) => r.action }, { title: 'to what', cell: (r) => r.object }, { title: 'detail', cell: (r) => r.detail }, { title: 'hash', cell: (r) => h('code', {}, r.hash.slice(0, 12)) },
    ]),
  ];
};
