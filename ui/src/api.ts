/** The collector's API: reading, acting, news. A token lives in this tab only. */

export interface Estimate { estimate: number; low: number; high: number | null }
export type Status = 'stable' | 'bounded' | 'leaking' | 'inconclusive';
export interface Verdict {
  status: Status; channel: string | null; bytes_per_job: Estimate | null; bytes_per_hour: Estimate | null;
  exhaustion_in_seconds: Estimate | null; limit_bytes: number | null; reasons: string[]; next: string[];
}
export interface Worker {
  id: number; service: string; release: string | null; env: string | null; runtime: string | null;
  runtime_version: string | null; pid: number | null; host: string | null; source: string; state: string;
  began_at: string; last_seen_at: string; rss_bytes: number | null; live_heap_bytes: number | null;
  heap_used_bytes: number | null; limit_bytes: number | null; jobs: number; jobs_per_second: number | null;
  in_flight: number | null; dropped_batches: number; verdict: Verdict | null;
}
export interface Stack { bytes: number; frames: string[] }
export interface Suspect {
  rank: number; pattern: string; type: string; holder: string | null; source: string | null; bytes_per_job: number | null;
  count_per_job: number | null; retained_bytes: number | null; retainer_path: string[]; allocation_stacks: Stack[];
  job_class: string | null; explanation: string; remedies: string[];
}
export interface JobClass {
  service: string; class: string; jobs: number; failed: number; status: string; bytes_per_job: Estimate | null;
  duration_seconds: { p50: number; p95: number; p999: number } | null; peak_bytes: number | null;
}
export interface Evidence { kind: string; path: string; jobs: number | null; taken_at: string; pause_seconds: number | null; bytes: number | null }
export interface WorkerDetail extends Worker {
  command: string[]; job_classes: JobClass[]; report: { suspects: Suspect[]; evidence: Evidence[] } | null;
}
export interface Service {
  service: string; workers: number; live: number; rss_bytes: number | null; jobs: number; jobs_per_second: number | null;
  status: Status | null; statuses: Record<string, number>; releases: string[]; incidents: number[];
}
export interface Incident {
  id: number; service: string; env: string | null; state: string; severity: string; title: string; opened_at: string;
  updated_at: string; resolved_at: string | null; verdict: Verdict; suspects: Suspect[];
  workers: { id: number; name: string; release: string | null }[]; worker_count: number;
  timeline?: { at: string; kind: string; actor: string; text: string }[];
}
export interface AuditRow { seq: number; at: string; actor: string; action: string; object: string; detail: string; hash: string }
export type SeriesByName = Record<string, [number, number][]>;

export class Refused extends Error {
  constructor(readonly status: number, text: string) { super(text); }
}

const KEY = 'plimsoll-token';

export function setToken(token: string): void { sessionStorage.setItem(KEY, token); }

function headers(): Record<string, string> {
  const token = sessionStorage.getItem(KEY);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

async function answered<T>(response: Response): Promise<T> {
  const value: unknown = await response.json().catch(() => ({}));
  if (!response.ok) {
    const error = (value as { error?: string }).error;
    throw new Refused(response.status, error ?? `the collector answered ${response.status}`);
  }
  return value as T;
}

export async function read<T>(path: string): Promise<T> {
  return answered<T>(await fetch(`/api/v1${path}`, { headers: headers() }));
}

export async function act<T>(path: string, body: object): Promise<T> {
  return answered<T>(await fetch(`/api/v1${path}`, {
    method: 'POST', headers: { 'Content-Type': 'application/json', ...headers() }, body: JSON.stringify(body),
  }));
}

/** Calls `heard` with the kind and id of each piece of news, for ever; `state` says whether we hear anything. */
export async function listen(heard: (kind: string, id: number) => void, state: (live: boolean) => void): Promise<never> {
  for (;;) {
    try {
      const response = await fetch('/api/v1/events', { headers: headers() });
      if (!response.ok || !response.body) throw new Error('no news');
      state(true);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = '';
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        const parts = (rest + value).split('\n\n');
        rest = parts.pop() ?? '';
        for (const part of parts) {
          const found = /^event: (\w+)\ndata: (.*)$/m.exec(part);
          if (found) heard(found[1]!, (JSON.parse(found[2]!) as { id?: number }).id ?? 0);
        }
      }
    } catch { /* said by `state` */ }
    state(false);
    await new Promise((wake) => setTimeout(wake, 2000));
  }
}
