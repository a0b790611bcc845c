import { markup, type Markup, type Content } from '../markup.ts';
import type { Scale, Span } from './scale.ts';
import { timeScale } from './scale.ts';
import { corners, thin, type Point } from './thin.ts';

// Charts as text: what is drawn is known when the page is written, and a page without a script is one that can be attached.

export interface Series {
  readonly name: string;
  /** Of the stylesheet: `stable`, `candidate`, `combined`, `m0` … */
  readonly kind: string;
  readonly points: readonly Point[];
  readonly style?: 'line' | 'dashed' | 'step' | 'area';
}

export interface Band {
  readonly from: number;
  readonly to: number;
  readonly label: string;
  /** Of the stylesheet. */
  readonly kind: string;
}

export interface Mark {
  readonly x: number;
  readonly label: string;
  readonly kind: string;
}

export interface ChartSpec {
  readonly id: string;
  readonly title: string;
  /** What a reader who cannot see it must know, in a sentence or two. */
  readonly text: string;
  readonly series: readonly Series[];
  readonly bands: readonly Band[];
  readonly marks: readonly Mark[];
  /** Vertical axis over the pixels that it is given. */
  readonly vertical: (span: Span) => Scale;
  /** Horizontal lines with a label. */
  readonly levels?: readonly { readonly y: number; readonly label: string; readonly kind: string }[];
  /** Moments at which something failed, as ticks at the foot. */
  readonly rug?: readonly number[];
  readonly from: number;
  readonly to: number;
  /** Names of the bands above the plot. */
  readonly named?: boolean;
}

export interface Size {
  readonly width: number;
  readonly height: number;
  /** Points a line has at most. */
  readonly points: number;
  /** Of the stylesheet: which of the two sizes it is. */
  readonly kind: 'wide' | 'narrow';
}

export const WIDE: Size = { width: 1040, height: 190, points: 520, kind: 'wide' };
export const NARROW: Size = { width: 400, height: 170, points: 180, kind: 'narrow' };

/** Room around the plot; all charts have the same at the sides, so that times stand below each other. */
const LEFT = 56;
const RIGHT = 14;
const FOOT = 22;
const LETTER = 6.4;

export const plotSpan = (size: Size): Span => [LEFT, size.width - RIGHT];

export function chart(spec: ChartSpec, size: Size): Markup {
  const head = spec.named === true ? 22 : 8;
  const height = size.height + head - 8;
  const [left, right] = plotSpan(size);
  const [foot, top] = [height - FOOT, head];
  const x = timeScale(spec.from, spec.to, [left, right], size.width / 110);
  const y = spec.vertical([foot, top]);
  const id = `${spec.id}-${size.kind}`;
  return markup`<svg
    class="${size.kind}"
    viewBox="0 0 ${size.width} ${height}"
    role="img"
    aria-labelledby="${id}-t ${id}-d"
    data-left="${left}"
    data-right="${right}"
  >
    <title id="${id}-t">${spec.title}</title>
    <desc id="${id}-d">${spec.text}</desc>
    ${spec.bands.map((band) => bandMarkup(band, x, [top, foot], spec.named === true))}
    <g class="grid">
      ${y.ticks.map(({ value, label }) => markup`<path d="M${left} ${y.at(value)}H${right}" /><text x="${left - 8}" y="${y.at(value) + 4}" text-anchor="end">${label}</text>`)}
    </g>
    <g class="axis">${x.ticks.map(({ value, label }) => tickMarkup(x.at(value), label, foot, [left, right]))}</g>
    ${(spec.levels ?? []).map(({ y: value, label, kind }) => markup`<g class="level ${kind}"><path d="M${left} ${y.at(value)}H${right}" /><text x="${left + 6}" y="${y.at(value) - 5}">${label}</text></g>`)}
    ${spec.series.map((series) => seriesMarkup(series, x, y, size.points, foot))} ${rugMarkup(spec.rug ?? [], x, foot)}
    ${spec.marks.map((mark) => markMarkup(mark, x, [top, foot], size, spec.named === true))}
    <path class="cross" d="M0 ${top}V${foot}" />
  </svg>`;
}

function bandMarkup(band: Band, x: Scale, [top, foot]: Span, named: boolean): Markup {
  const [from, to] = [x.at(band.from), x.at(band.to)];
  const fits = named && band.label.length * LETTER + 6 <= to - from;
  return markup`<g class="band ${band.kind}"><rect x="${from}" y="${top}" width="${(to - from).toFixed(1)}" height="${foot - top}"><title>${band.label}</title></rect>${
    fits && markup`<text x="${((from + to) / 2).toFixed(1)}" y="${top - 8}" text-anchor="middle">${band.label}</text>`
  }</g>`;
}

function tickMarkup(at: number, label: string, foot: number, [left, right]: Span): Markup {
  const half = (label.length * LETTER) / 2;
  const anchor: Content = at - half < left - 20 ? 'start' : at + half > right + 10 ? 'end' : 'middle';
  return markup`<path d="M${at} ${foot}v4" /><text x="${at}" y="${foot + 17}" text-anchor="${anchor}">${label}</text>`;
}

function markMarkup(mark: Mark, x: Scale, [top, foot]: Span, size: Size, named: boolean): Markup {
  const at = x.at(mark.x);
  const [left, right] = plotSpan(size);
  const long = mark.label.length * LETTER + 8;
  // To the side that has room; in no chart but the first its name would be one too many.
  const side = at + long < right ? 'start' : at - long > left ? 'end' : null;
  const label =
    side !== null && !named
      ? markup`<text x="${at + (side === 'start' ? 6 : -6)}" y="${top + 12}" text-anchor="${side}">${mark.label}</text>`
      : null;
  return markup`<g class="mark ${mark.kind}"><path d="M${at} ${top}V${foot}"><title>${mark.label}</title></path>${label}</g>`;
}

/** Ticks that would stand on the same pixel are one. */
function rugMarkup(moments: readonly number[], x: Scale, foot: number): Markup | null {
  if (moments.length === 0) return null;
  const places = [...new Set(moments.map((moment) => Math.round(x.at(moment))))];
  return markup`<path class="rug" d="${places.map((place) => `M${place} ${foot}v-6`).join('')}" />`;
}

function seriesMarkup(
  { name, kind, points, style = 'line' }: Series,
  x: Scale,
  y: Scale,
  most: number,
  foot: number,
): Markup {
  const isStep = style === 'step' || style === 'area';
  const kept = isStep ? corners(points) : thin(points, most);
  const line = linePath(kept, x, y, isStep);
  const last = points.at(-1);
  const area =
    style === 'area' && line !== '' && last !== undefined
      ? markup`<path class="area ${kind}" d="${line}V${foot}H${x.at(points[0]?.x ?? 0)}Z" />`
      : null;
  return markup`${area}<path class="line ${kind}${style === 'dashed' ? ' dashed' : ''}" d="${line}"><title>${name}</title></path>`;
}

/** A point all by itself is a dot: a line of no length with round ends. */
export function linePath(points: readonly Point[], x: Scale, y: Scale, step: boolean): string {
  let path = '';
  let open = false;
  points.forEach((point, index) => {
    if (point.y === null) {
      open = false;
      return;
    }
    const [px, py] = [x.at(point.x), y.at(point.y)];
    if (!open) {
      path += `M${px} ${py}`;
      if ((points[index + 1]?.y ?? null) === null) path += 'h0';
    } else path += step ? `H${px}V${py}` : `L${px} ${py}`;
    open = true;
  });
  return path;
}
