const grouped = new Intl.NumberFormat('en-US');

/** `4,210` */
export const countText = (value: number): string => grouped.format(Math.round(value));

/** `1 request`, `4,210 requests` */
export const plural = (value: number, noun: string): string => `${countText(value)} ${noun}${value === 1 ? '' : 's'}`;

/** `0.4`, `12.3`, `150`: three digits are enough for a rate. */
export const rateText = (value: number): string =>
  value === 0 ? '0' : value < 99.95 ? value.toFixed(1) : countText(value);

/** `0 %`, `0.02 %`, `18.2 %`; never a rounded-away failure. */
export function percentText(value: number | null): string {
  if (value === null) return '-';
  if (value === 0) return '0 %';
  if (value < 0.01) return '<0.01 %';
  return value < 1 ? `${value.toFixed(2)} %` : value < 99.95 ? `${value.toFixed(1)} %` : '100 %';
}

/** `0.8 ms`, `48 ms`, `1.2 s` */
export function latencyText(ms: number | null): string {
  if (ms === null) return '-';
  if (ms < 9.95) return `${ms.toFixed(1)} ms`;
  return ms < 999.5 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** `340 ms`, `12 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h` */
export function durationText(ms: number): string {
  if (ms < 0) return '0 s';
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 10) return `${(ms / 1000).toFixed(1).replace(/\.0$/, '')} s`;
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return two(minutes, 'min', seconds % 60, 's');
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return two(hours, 'h', minutes % 60, 'min');
  return two(Math.floor(hours / 24), 'd', hours % 24, 'h');
}
const two = (large: number, unit: string, small: number, smallUnit: string): string =>
  small === 0 ? `${large} ${unit}` : `${large} ${unit} ${small} ${smallUnit}`;

/** `5 s ago`, `in 12 s`, `just now` */
export function relativeText(time: number, now: number): string {
  const distance = now - time;
  if (Math.abs(distance) < 1000) return 'just now';
  const rounded = Math.floor(Math.abs(distance) / 1000) * 1000;
  const coarse = durationText(rounded).split(' ').slice(0, 2).join(' ');
  return distance > 0 ? `${coarse} ago` : `in ${coarse}`;
}

/** Local wall-clock time: `12:05:09`; with the date when it is another day. */
export function clockText(time: number, now: number): string {
  const date = new Date(time);
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((part) => String(part).padStart(2, '0'))
    .join(':');
  if (date.toDateString() === new Date(now).toDateString()) return clock;
  return `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, '0')}-${String(date.getDate()).padStart(2, '0')} ${clock}`;
}

/** `1.4 MB`; decimal, as disks and networks count. */
export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 99.5 ? Math.round(value) : value.toFixed(1)} ${units[unit] ?? 'B'}`;
}

/** `rel_ab12cd34`: enough to tell releases apart, and accepted wherever an id is. */
export const shortRelease = (id: string): string => id.slice(0, 12);
