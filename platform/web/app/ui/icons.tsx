import type { ReactNode } from 'react';

const SHAPES = {
  add: 'M12 5v14M5 12h14',
  alert: 'M12 8v5M12 16.5v.1M12 3 2.5 20h19z',
  back: 'M15 5l-7 7 7 7',
  chat: 'M4 5h16v11H9l-5 4z',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  discover: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM15.5 8.5l-2 5-5 2 2-5z',
  down: 'M6 9l6 6 6-6',
  download: 'M12 4v11M7 11l5 5 5-5M5 20h14',
  close: 'M6 6l12 12M18 6L6 18',
  list: 'M4 6h11M4 12h11M4 18h7M19 8v9M19 8l2.5 1.5M19 17a2 2 0 1 1-4 0 2 2 0 0 1 4 0z',
  next: 'M6 5l9 7-9 7zM18 5v14',
  pause: 'M8 5v14M16 5v14',
  person: 'M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM4.5 20c.8-3.6 3.8-5.5 7.5-5.5s6.7 1.9 7.5 5.5',
  play: 'M7 4.5v15l12-7.5z',
  previous: 'M18 5l-9 7 9 7zM6 5v14',
  search: 'M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l4.5 4.5',
  send: 'M4 12l16-7-6 15-3-6.5z',
  trash: 'M5 7h14M10 7V4.5h4V7M7 7l1 13h8l1-13M10.5 11v5.5M13.5 11v5.5',
  up: 'M6 15l6-6 6 6',
  upload: 'M12 19V6M7 10.5l5-5 5 5M5 20h14',
  volume: 'M5 9.5v5h3.5L13 18V6L8.5 9.5zM16 9a4 4 0 0 1 0 6M18.5 6.5a8 8 0 0 1 0 11',
} as const;

export type IconName = keyof typeof SHAPES;
const FILLED: ReadonlySet<IconName> = new Set(['play', 'next', 'previous']);

/** A drawing beside words, or in a button that has a name of its own: never read aloud. */
export function Icon({ name }: { readonly name: IconName }): ReactNode {
  return (
    <svg
      className={FILLED.has(name) ? 'icon icon-filled' : 'icon'}
      viewBox="0 0 24 24"
      aria-hidden="true"
      focusable="false"
    >
      <path d={SHAPES[name]} />
    </svg>
  );
}
