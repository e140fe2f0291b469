/** Charts on one time axis: zoomed together, moved together, one cursor. */

import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { h } from './dom';
import { bytes, count, duration } from './words';

export interface Panel { title: string; unit: 'bytes' | 'count' | 'seconds'; series: { label: string; points: [number, number][] }[] }

const COLOURS = ['#2b7fa8', '#d2691e', '#3a9d5d', '#9b59b6', '#c0392b', '#8a8d00', '#16a085', '#7f8c8d'];
const WRITE = { bytes, count, seconds: duration };

/** One x axis for all series of a panel; where a series has no point there is a gap that is drawn over. */
function joined(panel: Panel, scale: number): uPlot.AlignedData {
  const instants = [...new Set(panel.series.flatMap((s) => s.points.map(([at]) => at)))].sort((a, b) => a - b);
  const place = new Map(instants.map((at, n) => [at, n]));
  const values = panel.series.map((s) => {
    const column: (number | null)[] = new Array<number | null>(instants.length).fill(null);
    for (const [at, value] of s.points) column[place.get(at)!] = value;
    return column;
  });
  return [instants.map((at) => at / scale), ...values] as uPlot.AlignedData;
}

const live = new Set<uPlot>();

export function clearCharts(): void {
  for (const chart of live) chart.destroy();
  live.clear();
}

export function chart(panel: Panel, width: number, axis: 'time' | 'jobs', limit: number | null = null): HTMLElement {
  const style = getComputedStyle(document.body);
  const ink = style.getPropertyValue('--faint'), grid = style.getPropertyValue('--line');
  const write = WRITE[panel.unit];
  const box = h('figure', {}, h('figcaption', {}, panel.title));
  const options: uPlot.Options = {
    width, height: 190,
    cursor: { sync: { key: axis, setSeries: false }, drag: { x: true, y: false, uni: 10 } },
    scales: {
      x: { time: axis === 'time' },
      y: { range: (_, low, high) => {
        // A flat line must not look like a mountain; a limit is shown once memory comes near it.
        const top = limit !== null && high > limit / 3 ? Math.max(high, limit) : high;
        const room = Math.max((top - low) * 0.08, top * 0.01, 1e-9);
        return [panel.unit === 'count' && low >= 0 ? Math.max(0, low - room) : low - room, top + room];
      } },
    },
    axes: [
      { stroke: ink, grid: { stroke: grid, width: 1 }, values: axis === 'jobs' ? (_, ticks) => ticks.map((tick) => count(tick)) : undefined },
      { stroke: ink, grid: { stroke: grid, width: 1 }, size: 76, values: (_, ticks) => ticks.map((tick) => write(tick)) },
    ],
    series: [
      axis === 'jobs' ? { label: 'jobs', value: (_, v) => count(v) } : { label: 'time' },
      ...panel.series.map((s, n): uPlot.Series => ({
        label: s.label, stroke: COLOURS[n % COLOURS.length], width: 1.5, spanGaps: true,
        points: { show: s.points.length < 80 }, value: (_, value) => write(value),
      })),
    ],
    hooks: limit === null ? {} : { draw: [(plot) => {
      const y = plot.valToPos(limit, 'y', true);
      if (y < plot.bbox.top || y > plot.bbox.top + plot.bbox.height) return;
      plot.ctx.save();
      plot.ctx.strokeStyle = '#c0392b';
      plot.ctx.setLineDash([6, 4]);
      plot.ctx.beginPath();
      plot.ctx.moveTo(plot.bbox.left, y);
      plot.ctx.lineTo(plot.bbox.left + plot.bbox.width, y);
      plot.ctx.stroke();
      plot.ctx.restore();
    }] },
  };
  const plot = new uPlot(options, joined(panel, axis === 'time' ? 1000 : 1), box);
  live.add(plot);
  return box;
}
