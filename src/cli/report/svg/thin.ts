export interface Point {
  readonly x: number;
  /** Null: nothing is known; a line has a gap there. */
  readonly y: number | null;
}

/**
 * Few points that look like many: of each stretch the lowest and the highest, in their order, so that no peak gets lost.
 *
 * @param most points, at least 4
 */
export function thin(points: readonly Point[], most: number): readonly Point[] {
  if (points.length <= most) return points;
  const stretches = Math.max(1, Math.floor(most / 2));
  const kept: Point[] = [];
  for (let stretch = 0; stretch < stretches; stretch += 1) {
    const from = Math.floor((stretch * points.length) / stretches);
    const to = Math.floor(((stretch + 1) * points.length) / stretches);
    let [low, high, gap]: [number, number, number] = [-1, -1, -1];
    for (let index = from; index < to; index += 1) {
      const y = points[index]?.y ?? null;
      if (y === null) gap = index;
      else {
        if (low === -1 || y < (points[low]?.y ?? 0)) low = index;
        if (high === -1 || y > (points[high]?.y ?? 0)) high = index;
      }
    }
    // A stretch with a gap keeps the gap and its peak.
    const chosen = low === -1 ? [gap] : gap === -1 ? [low, high] : [gap, high];
    for (const index of [...new Set(chosen)].sort((a, b) => a - b)) {
      const point = points[index];
      if (point !== undefined) kept.push(point);
    }
  }
  return kept;
}

/** Of a step line only the points at which it changes, and the last. */
export const corners = (points: readonly Point[]): readonly Point[] =>
  points.filter((point, index) => index === points.length - 1 || point.y !== points[index - 1]?.y);
