import { fillPlaceholders, type Placeholder } from '../../../core/spec/placeholders.ts';
import type { SlotDesire } from '../runtime.ts';

/** Variable that says which instance a process belongs to. */
export const INSTANCE_MARKER = 'VEZA_INSTANCE';

/** Who an instance is, and where it listens. */
export interface InstancePlace {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  /** Undefined: it has none for metrics. */
  readonly metricsPort: number | undefined;
}

const placeholderValues = (
  desire: SlotDesire,
  { host, port, metricsPort }: InstancePlace,
): Readonly<Partial<Record<Placeholder, string>>> => {
  const data = desire.environment['VEZA_DATA'];
  return {
    PORT: String(port),
    HOST: host,
    ...(metricsPort === undefined ? {} : { METRICS_PORT: String(metricsPort) }),
    ...(data === undefined ? {} : { DATA: fillPlaceholders(data, {}) }),
  };
};

/** What an instance runs, its placeholders filled in. */
export function commandOf(desire: SlotDesire, place: InstancePlace): readonly string[] {
  const values = placeholderValues(desire, place);
  return desire.run.map((word) => fillPlaceholders(word, values));
}

/**
 * The whole environment of an instance. Declared values win over `base` (PATH, HOME and TMPDIR); what tells an instance who it
 * is and where it listens cannot be declared away.
 */
export function instanceEnvironment(
  desire: SlotDesire,
  place: InstancePlace,
  base: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const values = placeholderValues(desire, place);
  return {
    ...base,
    ...Object.fromEntries(
      Object.entries(desire.environment).map(([name, text]) => [name, fillPlaceholders(text, values)]),
    ),
    PORT: String(place.port),
    HOST: place.host,
    ...(place.metricsPort === undefined ? {} : { METRICS_PORT: String(place.metricsPort) }),
    [INSTANCE_MARKER]: place.id,
    VEZA_SERVICE: desire.ref.service,
    VEZA_ENVIRONMENT: desire.ref.environment,
    VEZA_RELEASE: desire.release,
    VEZA_SLOT: desire.ref.slot,
    ...(desire.deployment === undefined ? {} : { VEZA_DEPLOYMENT: desire.deployment }),
  };
}
