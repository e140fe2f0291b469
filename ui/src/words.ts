/** Figures as people read them. Sizes in powers of 1024, an unknown is a dash. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  let size = value, unit = 0;
  while (Math.abs(size) >= 999.5 && unit < UNITS.length - 1) { size /= 1024; unit += 1; }
  return `${size.toFixed(unit === 0 || Math.abs(size) >= 99.95 ? 0 : 1)} ${UNITS[unit]}`;
}

export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? '–' : Math.round(value).toLocaleString('en');
}

export function rate(value: number | null | undefined): string {
  return value === null || value === undefined ? '–' : `${value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString('en')}/s`;
}

export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return '–';
  if (seconds < 0.001) return `${(seconds * 1e6).toFixed(0)} µs`;
  if (seconds < 1) return `${(seconds * 1000).toPrecision(3)} ms`;
  if (seconds < 90) return `${seconds.toFixed(1)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${(seconds / 3600).toFixed(1)} h`;
  return `${Math.round(seconds / 86400).toLocaleString('en')} d`;
}

export function ago(instant: string): string {
  const seconds = (Date.now() - Date.parse(instant)) / 1000;
  return seconds < 5 ? 'now' : `${duration(Math.max(0, Math.round(seconds)))} ago`;
}

export function instant(text: string | null): string {
  return text ? text.replace('T', ' ').replace(/\.\d+Z$/, ' UTC') : '–';
}

/** Each verdict has a sign as well as a colour. */
export const SIGNS: Record<string, string> = { leaking: '▲', bounded: '◆', stable: '●', inconclusive: '?' };
