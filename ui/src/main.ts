/** Routes, keys, theme, and drawing anew when there is news. */

import { listen, Refused, setToken } from './api';
import { clearCharts } from './chart';
import { h } from './dom';
import * as pages from './pages';
import './style.css';

const ROUTES: [string, string, string, pages.Page][] = [
  ['', 'Fleet', 'f', pages.fleet],
  ['incidents', 'Incidents', 'i', pages.incidents],
  ['job-classes', 'Job classes', 'j', pages.jobClasses],
  ['audit', 'Audit', 'a', pages.audit],
];
const DETAILS: Record<string, pages.Page> = { services: pages.service, workers: pages.worker, incidents: pages.incident };

const main = document.querySelector<HTMLElement>('#page')!;
const nav = document.querySelector('nav')!;
for (const [path, title, key] of ROUTES) nav.append(h('a', { href: `#/${path}`, title: `g then ${key}` }, title));

let drawing = 0;

async function draw(): Promise<void> {
  const [first = '', ...rest] = location.hash.replace(/^#\/?/, '').split('/').map(decodeURIComponent);
  const page = rest.length ? DETAILS[first] : ROUTES.find(([path]) => path === first)?.[3];
  for (const link of nav.querySelectorAll('a')) link.toggleAttribute('aria-current', link.hash === `#/${first}`);
  const mine = ++drawing;
  let content: HTMLElement[];
  const place = scrollY;
  const focused = document.activeElement?.id;
  try {
    content = page ? await page(rest) : [h('p', {}, 'There is no such page.')];
  } catch (error) {
    content = [error instanceof Refused && error.status === 401 ? ask() : h('p', { class: 'error' }, `${(error as Error).message}`)];
  }
  if (mine !== drawing) return; // somebody has moved on
  if (shown !== location.hash) scrollTo(0, 0);
  main.replaceChildren(...content);
  if (shown === location.hash) scrollTo(0, place);
  shown = location.hash;
  if (focused === 'filter') {
    const filter = document.querySelector<HTMLInputElement>('#filter');
    filter?.focus();
    filter?.setSelectionRange(filter.value.length, filter.value.length);
  }
}

let shown = '';

function ask(): HTMLElement {
  const input = h('input', { type: 'password', autocomplete: 'off', 'aria-label': 'Token' }) as HTMLInputElement;
  return h('section', { class: 'empty' }, h('h1', {}, 'A token is needed'), h('p', {}, 'Make one with ', h('code', {}, 'plimsoll token add NAME --role viewer'), '.'),
    input, h('button', { type: 'button', click: () => { setToken(input.value.trim()); void draw(); } }, 'Enter'));
}

// Charts are drawn anew with each page; those of the page before are let go of.
const redraw = (): void => { const before = drawing; void draw().then(() => { if (drawing !== before) prune(); }); };
function prune(): void { if (!main.querySelector('.uplot')) clearCharts(); }

addEventListener('hashchange', () => { clearCharts(); redraw(); });

let timer: number | undefined;
function soon(): void {
  // Somebody who zooms, types or selects is not to be disturbed; the next piece of news comes soon.
  timer ??= setTimeout(() => {
    timer = undefined;
    if (document.hidden || main.querySelector('details:hover, .uplot:hover') || !getSelection()?.isCollapsed) return;
    if (main.querySelector('.uplot')) clearCharts();
    redraw();
  }, 2000);
}

const pulse = document.querySelector('#pulse')!;
void listen((kind, id) => {
  const [first, number] = location.hash.replace(/^#\/?/, '').split('/');
  if (first === 'workers' && number && kind !== 'incident' && Number(number) !== id) return;
  soon();
}, (live) => { pulse.textContent = live ? '● live' : '○ not connected'; pulse.className = live ? 'live' : 'away'; });

function theme(): void {
  const dark = document.documentElement.dataset.theme === 'dark' || (!document.documentElement.dataset.theme && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.dataset.theme = dark ? 'light' : 'dark';
  localStorage.setItem('plimsoll-theme', document.documentElement.dataset.theme);
  dispatchEvent(new Event('hashchange'));
}
const kept = localStorage.getItem('plimsoll-theme');
if (kept) document.documentElement.dataset.theme = kept;
document.querySelector('#theme')!.addEventListener('click', theme);

let going = false;
addEventListener('keydown', (event) => {
  if (event.target instanceof HTMLInputElement || event.ctrlKey || event.metaKey || event.altKey) {
    if (event.key === 'Escape') (event.target as HTMLElement).blur();
    return;
  }
  const route = going ? ROUTES.find(([, , key]) => key === event.key) : undefined;
  going = event.key === 'g';
  if (route) location.hash = `#/${route[0]}`;
  else if (event.key === 't') theme();
  else if (event.key === '/') { document.querySelector<HTMLInputElement>('#filter')?.focus(); event.preventDefault(); }
  else if (event.key === 'j' || event.key === 'k') step(event.key === 'j' ? 1 : -1);
});

/** Down and up the rows; Enter follows the focused link. */
function step(by: number): void {
  const links = [...main.querySelectorAll<HTMLAnchorElement>('td a')];
  const at = links.indexOf(document.activeElement as HTMLAnchorElement);
  links[Math.min(links.length - 1, Math.max(0, at + by))]?.focus();
}

redraw();
