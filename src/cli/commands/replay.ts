import { Option } from 'commander';
import { z } from 'zod';
import { EvidenceSchema, VerdictSchema, type EventView } from '../../api/schemas.ts';
import type { EvidenceRecord } from '../../core/analysis/evidence-record.ts';
import type { JudgeSettings } from '../../core/analysis/judge.ts';
import { checkReplay, type JournaledJudgement } from '../../core/analysis/replay-check.ts';
import { outcomeOf, whatIf } from '../../core/analysis/what-if.ts';
import { ExitStatus, UsageError } from '../../errors.ts';
import { replayLines, type ReplayedLeg } from '../render/replay.ts';
import { textArgument, type Verb } from '../verb.ts';

export const replay: Verb = {
  definition: {
    name: 'replay',
    arguments: [['[deployment]', '`dep_12`, `12` or `latest` (default: latest)']],
    summary: 'compute the verdict of a deployment again from its stored seconds',
    description:
      'Ends with 1 when it is not what the journal has. With `--what-if` it says besides what other settings would have done; docs/explanation.md names them.',
    options: [
      new Option('--what-if <setting=value>', 'judge with another setting; may be repeated').argParser(
        (text: string, before: readonly string[] | undefined) => [...(before ?? []), text],
      ),
    ],
    examples: [
      ['veza replay dep_12', 'the same verdict, from the same seconds?'],
      ['veza replay --what-if alpha=0.001', 'with a tenth of the false alarms'],
      ['veza replay --what-if analysis=careful --what-if minErrors=5', 'another level, and more'],
    ],
  },
  action: async (context, { args, options }) => {
    const { terminal, json, now, interrupt } = context;
    const changes = z.array(z.string()).catch([]).parse(options.whatIf);
    const client = context.client();
    const { id } = await client.call('deployment', { params: { id: textArgument(args[0]) ?? 'latest' } });
    const records = await client.call('evidence', { params: { id } });
    const events: EventView[] = [];
    await client.stream(
      'events',
      { query: { deployment: id } },
      { signal: interrupt, onItem: (event) => void events.push(event) },
    );
    const legs = records.map((record): ReplayedLeg => judgeAgain(record, events, changes));
    const agrees = legs.every(({ check }) => check.agrees);
    if (json) terminal.out(JSON.stringify({ deployment: id, agrees, legs }));
    else for (const line of replayLines(legs, { style: terminal.style, now: now() })) terminal.out(line);
    return agrees ? ExitStatus.ok : ExitStatus.failed;
  },
};

function judgeAgain(record: EvidenceRecord, events: readonly EventView[], changes: readonly string[]): ReplayedLeg {
  const { seconds, settings, service } = record;
  const notes: string[] = [];
  const others = changes.reduce((before, change) => changed(before, change, notes), settings);
  return {
    service,
    from: (seconds[0]?.traffic.second ?? 0) * 1_000,
    to: ((seconds.at(-1)?.traffic.second ?? -1) + 1) * 1_000,
    check: checkReplay(record, judgementsOf(events, record.leg)),
    original: outcomeOf(record, settings),
    other: changes.length === 0 ? null : { changes, notes, outcome: outcomeOf(record, others) },
  };
}

function changed(settings: JudgeSettings, change: string, notes: string[]): JudgeSettings {
  const answer = whatIf(settings, change);
  if (!answer.ok)
    throw new UsageError(
      `\`--what-if ${change}\`: ${answer.problem}${answer.problem.endsWith('?') ? '' : '.'}`,
      answer.hint,
    );
  if (answer.note !== null && !notes.includes(answer.note)) notes.push(answer.note);
  return answer.settings;
}

const JudgementSchema = z.object({
  event: z.object({
    type: z.literal('analysis'),
    leg: z.number(),
    verdict: VerdictSchema,
    stableBroken: z.boolean(),
    evidence: EvidenceSchema,
  }),
});

/** What the journal has of a leg's judge, oldest first. */
function judgementsOf(events: readonly EventView[], leg: number): readonly JournaledJudgement[] {
  return events.flatMap(({ at, data }) => {
    const { data: found } = JudgementSchema.safeParse(data);
    if (found?.event.leg !== leg) return [];
    const { verdict, stableBroken, evidence } = found.event;
    return [{ at, verdict, stableBroken, evidence }];
  });
}
