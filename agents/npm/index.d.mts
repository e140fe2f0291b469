export interface LeakOptions {
  /** Jobs that are measured, at least 24. Default 480. */
  jobs?: number;
  /** Jobs before the first measurement. Default: as many as `jobs`, at most 200. */
  warmup?: number;
  /** Bytes per job that may stay behind. Default 50, or 16 KiB over all jobs if that is more. */
  growthLimit?: number;
  /** Fail as well when the record does not settle it. Default false. */
  strict?: boolean;
}

export interface LeakVerdict {
  status: 'stable' | 'bounded' | 'leaking' | 'inconclusive';
  /** Growth of live memory over the later half of the jobs, with its 95 % interval. */
  bytesPerJob: { estimate: number; low: number; high: number };
  jobs: number;
  /** The limit that held, bytes per job. */
  growthLimit: number;
}

/** Runs `fn` over and over; rejects with an AssertionError if each call leaves memory behind. */
export function assertNoLeak(fn: (job: number) => unknown, options?: LeakOptions): Promise<LeakVerdict>;
