import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { deployment, leg, NOW } from '../../test/fixtures/views.ts';
import { liveDisplay } from './live.ts';
import type { Terminal } from './terminal.ts';

const ESCAPE = '\u001B[';

/** Enough of a terminal to see what stays on it: rows, moving up, erasing to the end of the line and of the screen. */
class Screen {
  rows: string[] = [''];
  cursorShown = true;
  lines: string[] = [];

  write(text: string): void {
    let row = this.rows.length - 1;
    for (const part of text.split(/(\u001B\[[?\d]*[A-Za-z]|\n|\r)/)) {
      if (part === '' || part === '\r') continue;
      else if (part === '\n') {
        row += 1;
        this.rows[row] ??= '';
      } else if (part === `${ESCAPE}?25l`) this.cursorShown = false;
      else if (part === `${ESCAPE}?25h`) this.cursorShown = true;
      else if (part === `${ESCAPE}J`) {
        // From the cursor on, which stands at the beginning of its row.
        this.rows.length = row + 1;
        this.rows[row] = '';
      } else if (part.endsWith('A')) row -= Number(part.slice(2, -1));
      else if (!part.startsWith(ESCAPE)) this.rows[row] = part;
    }
    this.rows.length = row + 1;
  }

  get shown(): string {
    return this.rows.join('\n');
  }
}

const terminalOf = (screen: Screen, canRedraw: boolean): Terminal => ({
  out: (line) => void screen.lines.push(line),
  note: () => {},
  raw: () => {},
  control: (text) => screen.write(text),
  style: { colour: false, unicode: true, width: 100 },
  canRedraw,
  rows: 12,
  onResize: () => () => {},
});

describe('a live display', () => {
  let screen: Screen;
  beforeEach(() => {
    vi.useFakeTimers({ now: NOW });
    screen = new Screen();
    screen.rows = ['what was there before', ''];
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('redraws in place: one frame on the screen, what was there before untouched, the cursor back at the end', () => {
    const live = liveDisplay(terminalOf(screen, true), Date.now, new Map());
    for (const weight of [5, 25, 50]) {
      live.update(deployment({ legs: [leg({ weight })] }));
      vi.advanceTimersByTime(500);
    }
    expect(screen.cursorShown).toBe(false);
    live.end();
    expect(screen.rows[0]).toBe('what was there before');
    expect(screen.shown.match(/dep_12/g)).toHaveLength(1);
    expect(screen.shown).toContain('50 %');
    expect(screen.cursorShown).toBe(true);
  });

  it('keeps lines that are said meanwhile above it, and nothing of its own among them', () => {
    const live = liveDisplay(terminalOf(screen, true), Date.now, new Map());
    live.update(deployment({ legs: [leg({ weight: 5 })] }));
    vi.advanceTimersByTime(500);
    live.say('$ kill -9 4711');
    vi.advanceTimersByTime(500);
    live.update(deployment({ legs: [leg({ weight: 25 })] }));
    live.say('$ veza up');
    vi.advanceTimersByTime(500);
    live.end();
    expect(screen.rows.slice(0, 3)).toEqual(['what was there before', '$ kill -9 4711', '$ veza up']);
    expect(screen.shown.match(/dep_12/g)).toHaveLength(1);
  });

  it('shrinks without leaving anything behind', () => {
    const live = liveDisplay(terminalOf(screen, true), Date.now, new Map());
    live.update(deployment({ legs: [leg(), leg({ service: 'api' })] }));
    vi.advanceTimersByTime(500);
    live.update(deployment());
    live.end();
    expect(screen.shown).not.toContain('api');
  });

  it('counts down by itself while nothing arrives', () => {
    const live = liveDisplay(terminalOf(screen, true), Date.now, new Map());
    live.update(deployment());
    vi.advanceTimersByTime(200);
    expect(screen.shown).toContain('(12 s)');
    vi.advanceTimersByTime(5_000);
    expect(screen.shown).toContain('(7 s)');
    live.end();
  });

  it('never is higher than the terminal, which could not be redrawn', () => {
    const live = liveDisplay(terminalOf(screen, true), Date.now, new Map());
    live.update(deployment({ legs: Array.from({ length: 20 }, (_, index) => leg({ service: `s${index}` })) }));
    vi.advanceTimersByTime(200);
    expect(screen.rows.length - 1).toBeLessThanOrEqual(12);
    expect(screen.shown).toContain('more lines');
    live.end();
  });

  it('says that the control plane is away, for how long, and that traffic goes on', () => {
    const live = liveDisplay(terminalOf(screen, true), Date.now, new Map());
    live.update(deployment());
    live.away(Date.now());
    vi.advanceTimersByTime(4_100);
    expect(screen.shown).toMatch(/control plane away for 4 s; traffic goes on, reconnecting/);
    live.away(null);
    vi.advanceTimersByTime(200);
    expect(screen.shown).not.toContain('away');
    live.end();
  });

  it('appends a line on every change where it cannot redraw, and one after 10 s without', () => {
    const live = liveDisplay(terminalOf(screen, false), Date.now, new Map());
    for (let second = 0; second < 25; second += 1) {
      live.update(deployment({ until: NOW + second, phase: second < 3 ? 'starting' : 'stepping' }));
      vi.advanceTimersByTime(1_000);
    }
    live.end();
    expect(screen.lines.map((line) => line.split(' ').slice(0, 3).join(' ').slice(9))).toEqual([
      'dep_12 starting:',
      'dep_12 stepping:',
      'dep_12 stepping:',
    ]);
    expect(screen.lines.join('')).not.toContain('\u001B');
  });

  it('repeats what stays the same ever more seldom: a wait of hours does not fill a log', () => {
    const live = liveDisplay(terminalOf(screen, false), Date.now, new Map());
    for (let second = 0; second < 3_600; second += 1) {
      live.update(deployment());
      vi.advanceTimersByTime(1_000);
    }
    expect(screen.lines.length).toBeGreaterThan(10);
    expect(screen.lines.length).toBeLessThan(20);
  });
});
