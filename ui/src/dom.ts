/** Elements from values. Text is only ever set as text: names come from workers and are not to be trusted. */

type Child = Node | string | number | null | undefined | false;

export function h(tag: string, attributes: Record<string, string | ((event: Event) => void)> = {}, ...children: (Child | Child[])[]): HTMLElement {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else element.setAttribute(name, value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined && child !== false) element.append(child instanceof Node ? child : String(child));
  }
  return element;
}

export interface Column<T> { title: string; cell: (row: T) => Child | Child[]; sort?: (row: T) => number | string; right?: boolean }

/** Rows past this are counted, not drawn: the filter finds them. */
const ROWS_MAX = 500;

/** A table that sorts by its headings and filters by text; rows are links. */
export function table<T>(rows: T[], columns: Column<T>[], link?: (row: T) => string): HTMLElement {
  let by = -1, down = true;
  const head = h('tr'), body = h('tbody'), more = h('p', { class: 'faint' });
  const draw = (): void => {
    const sort = columns[by]?.sort;
    const sorted = sort ? rows.toSorted((a, b) => {
      const [x, y] = [sort(a), sort(b)];
      const order = x < y ? -1 : x > y ? 1 : 0;
      return down ? -order : order;
    }) : rows;
    body.replaceChildren(...sorted.slice(0, ROWS_MAX).map((row) => {
      const cells = columns.map((column, n) => {
        const content = column.cell(row);
        const target = n === 0 && link ? h('a', { href: link(row) }, ...[content].flat()) : null;
        return h('td', column.right ? { class: 'right' } : {}, ...(target ? [target] : [content].flat()));
      });
      return h('tr', link ? { click: (event) => { if (!(event.target instanceof HTMLAnchorElement)) location.hash = link(row); }, class: 'link' } : {}, ...cells);
    }));
    more.textContent = rows.length > ROWS_MAX ? `${rows.length - ROWS_MAX} more rows are not shown; filter or sort to find them` : '';
  };
  columns.forEach((column, n) => {
    const button = h('button', { type: 'button', click: () => { down = by === n ? !down : true; by = n; draw(); } }, column.title);
    head.append(h('th', column.right ? { class: 'right' } : {}, column.sort ? button : column.title));
  });
  draw();
  return h('div', { class: 'scroll' }, h('table', {}, h('thead', {}, head), body), more);
}
