import type { ExplanationView, LegExplanationView } from '../../api/explanation-schemas.ts';
import type { LegContext } from './page.ts';

/** What the explanation of a deployment adds to what follows from its evidence: log lines, what changed, what is not known. */
export const contextsOf = ({ legs }: ExplanationView): readonly LegContext[] => legs.map(contextOf);

const contextOf = ({ logs, changes, notes }: LegExplanationView): LegContext => ({
  logs: logs.map(({ time, instance, text, times }) => ({
    time,
    instance,
    text: times > 1 ? `${text}  (and ${times - 1} more like it)` : text,
  })),
  changes: changes === null ? [] : changesOf(changes),
  notes,
});

function changesOf(changes: NonNullable<LegExplanationView['changes']>): LegContext['changes'] {
  const { commits, configuration, artifact, from, to } = changes;
  const value = (json: string | null): string => json ?? 'not shown';
  return [
    ...(commits?.added ?? []).map(({ commit, subject }) => ({
      what: 'commit',
      text: `${commit.slice(0, 8)} ${subject}`,
    })),
    ...(commits?.removed ?? []).map(({ commit, subject }) => ({
      what: 'commit, not in it any more',
      text: `${commit.slice(0, 8)} ${subject}`,
    })),
    ...(commits === null
      ? [
          {
            what: 'commits',
            text: `${from.commit.slice(0, 8)} ${from.subject} → ${to.commit.slice(0, 8)} ${to.subject}`,
          },
        ]
      : []),
    ...(to.dirty ? [{ what: 'source', text: 'built from changes that were not committed' }] : []),
    ...configuration.map(({ key, kind, before, after, masked }) => ({
      what: `setting ${key}`,
      text: masked
        ? `${kind}; its values may be secret and are not shown`
        : kind === 'changed'
          ? `${value(before)} → ${value(after)}`
          : `${kind}: ${value(kind === 'added' ? after : before)}`,
    })),
    { what: 'artifact', text: artifact === 'same' ? 'the same: only the configuration differs' : 'another one' },
  ];
}
