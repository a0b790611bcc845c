import { z } from 'zod';
import type { SlotDesire } from '../runtime.ts';
import { slotRefSchema, type InstanceRecord } from '../supervision/records.ts';

// Labels of containers: enough to find them again when everything else about them is lost. Never a value of a variable.

const PREFIX = 'dev.veza.';

export interface Place {
  readonly platform: string;
  readonly environment: string;
}

/** On everything that belongs to an environment. */
export const environmentLabels = ({ platform, environment }: Place): Readonly<Record<string, string>> => ({
  [`${PREFIX}platform`]: platform,
  [`${PREFIX}environment`]: environment,
});

export const INSTANCE = `${PREFIX}instance`;
export const ONE_OFF = `${PREFIX}one-off`;
const RECORD = `${PREFIX}record`;
const DESIRE = `${PREFIX}desire`;

export const instanceLabels = (
  place: Place,
  record: InstanceRecord<unknown>,
  desire: SlotDesire,
): Readonly<Record<string, string>> => ({
  ...environmentLabels(place),
  [INSTANCE]: record.id,
  [`${PREFIX}service`]: record.ref.service,
  [`${PREFIX}slot`]: record.ref.slot,
  [`${PREFIX}release`]: record.release,
  [RECORD]: JSON.stringify({ ...record, phase: undefined, exits: [], lastExit: null }),
  [DESIRE]: JSON.stringify({ ...desire, environment: {} }),
});

/** Whose lines a container writes. */
export const writerSchema = z.object({ id: z.string(), ref: slotRefSchema, release: z.string(), launches: z.number() });
export type Writer = z.output<typeof writerSchema>;

const parseJson = (text: string | undefined): unknown => {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return null;
  }
};

/** Who a container belongs to; null when it is none of our instances. */
export function writerOf(labels: Readonly<Record<string, string>>): Writer | null {
  const parsed = writerSchema.safeParse(parseJson(labels[RECORD]));
  return parsed.success ? parsed.data : null;
}

/** What stood on disk about a container's instance and its slot, except the environment; null when it cannot be read. */
export function rememberedIn(
  labels: Readonly<Record<string, string>>,
): { readonly record: Readonly<Record<string, unknown>>; readonly desire: Readonly<Record<string, unknown>> } | null {
  const object = z.record(z.string(), z.unknown());
  const record = object.safeParse(parseJson(labels[RECORD]));
  const desire = object.safeParse(parseJson(labels[DESIRE]));
  return record.success && desire.success ? { record: record.data, desire: desire.data } : null;
}
