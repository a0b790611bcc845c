import type { ReactNode } from 'react';

interface CoverProps {
  /** Any text: the same one always gives the same drawing. */
  readonly seed: string;
}

const PALETTES = 6;

/** Tracks have no pictures: a quiet drawing of sound, told apart by its form and colour. Nothing is fetched. */
export function Cover({ seed }: CoverProps): ReactNode {
  const numbers = hash(seed);
  const bars = Array.from({ length: 9 }, (_, index) => 3 + ((numbers >>> (index * 3)) & 7) * 2);
  return (
    <svg className={`cover cover-${numbers % PALETTES}`} viewBox="0 0 48 48" aria-hidden="true" focusable="false">
      <rect className="cover-ground" width="48" height="48" />
      {bars.map((height, index) => (
        <rect
          // The bars of one drawing never change places.
          // oxlint-disable-next-line react/no-array-index-key
          key={index}
          className="cover-bar"
          x={7.5 + index * 3.8}
          y={24 - height}
          width="2.4"
          height={height * 2}
          rx="1.2"
        />
      ))}
    </svg>
  );
}

/** FNV-1a (RFC 9923), 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193) >>> 0;
  }
  return value;
}
