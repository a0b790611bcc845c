import type { DeploymentView } from '../api/schemas.ts';
import { clockText, durationText } from './render/numbers.ts';
import { changeKey, changeLine, deploymentLines, type Labels } from './render/deployment.ts';
import { paint, sign, widthOf } from './render/style.ts';
import type { Terminal } from './terminal.ts';

/** Shows deployments while they go on. */
export interface Live {
  update(view: DeploymentView): void;
  away(since: number | null): void;
  /** A line that stays, above what is redrawn. */
  say(line: string): void;
  /** Leaves the last state on the screen and gives the terminal back. */
  end(): void;
}

const REDRAW_MS = 1_000;
/** A frame more often than this helps nobody. */
const FRAME_MS = 80;
const PLAIN_EVERY_MS = 10_000;
/** Who waits for hours (for an approval) need not fill a log meanwhile. */
const PLAIN_SELDOM_MS = 300_000;

/** A display that fits the terminal: redrawn in place, or lines appended on every change. */
export function liveDisplay(terminal: Terminal, now: () => number, labels: Labels): Live {
  return terminal.canRedraw ? redrawn(terminal, now, labels) : appended(terminal, now);
}

function redrawn(terminal: Terminal, now: () => number, labels: Labels): Live {
  const views = new Map<string, DeploymentView>();
  let awaySince: number | null = null;
  let drawn: readonly string[] = [];
  let pending: NodeJS.Timeout | null = null;
  let last = false;
  let above: string[] = [];

  const lines = (): readonly string[] => {
    const { style } = terminal;
    const blocks = [...views.values()].map((view) => deploymentLines(view, { style, now: now(), labels, last }));
    const all = blocks.flatMap((block, index) => (index === 0 ? block : ['', ...block]));
    if (awaySince !== null) {
      all.push(
        paint(
          style,
          'yellow',
          `  ${sign(style, 'warning')} control plane away for ${durationText(Math.max(1, Math.floor((now() - awaySince) / 1000)) * 1000)}; traffic goes on, reconnecting`,
        ),
      );
    }
    // What does not fit cannot be redrawn; the newest state is at the end of the longest list.
    const room = terminal.rows - 1;
    return all.length <= room
      ? all
      : [...all.slice(0, room - 1), paint(style, 'dim', `  ${all.length - room + 1} more lines`)];
  };

  const draw = (): void => {
    const next = lines();
    // Lines of the last frame may have wrapped since, when the terminal became narrower.
    const rows = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(widthOf(line) / terminal.style.width)), 0);
    const up = rows === 0 ? '' : `\u001B[${rows}A\r`;
    const body = [...above, ...next].map((line) => `${line}\u001B[K\n`).join('');
    above = [];
    // Synchronised output: terminals that know it show the frame at once, others ignore it.
    terminal.control(`\u001B[?2026h\u001B[?25l${up}${body}\u001B[J\u001B[?2026l`);
    drawn = next;
  };
  const soon = (): void => {
    pending ??= setTimeout(() => {
      pending = null;
      draw();
    }, FRAME_MS);
  };
  const clock = setInterval(soon, REDRAW_MS);
  const offResize = terminal.onResize(soon);
  return {
    update: (view) => {
      views.set(view.id, view);
      soon();
    },
    away: (since) => {
      awaySince = since;
      soon();
    },
    say: (line) => {
      above.push(line);
      soon();
    },
    end: () => {
      clearInterval(clock);
      if (pending !== null) clearTimeout(pending);
      offResize();
      last = [...views.values()].every((view) => view.committedAt !== null);
      if (views.size > 0 || above.length > 0) draw();
      terminal.control('\u001B[?25h');
    },
  };
}

function appended(terminal: Terminal, now: () => number): Live {
  const shown = new Map<string, { readonly key: string; readonly at: number; readonly pauseMs: number }>();
  let away = false;
  return {
    update: (view) => {
      const key = changeKey(view);
      const before = shown.get(view.id);
      const isSame = before !== undefined && before.key === key;
      if (isSame && now() - before.at < before.pauseMs) return;
      const pauseMs = isSame ? Math.min(PLAIN_SELDOM_MS, 2 * before.pauseMs) : PLAIN_EVERY_MS;
      shown.set(view.id, { key, at: now(), pauseMs });
      terminal.out(changeLine(view, now()));
    },
    away: (since) => {
      if ((since !== null) === away) return;
      away = since !== null;
      terminal.out(
        `${clockText(now(), now())} control plane ${away ? 'away; traffic goes on, reconnecting' : 'is back'}`,
      );
    },
    say: (line) => terminal.out(line),
    end: () => {},
  };
}
