import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Runtime, SlotStatus } from '../../drivers/runtime/runtime.ts';
import { replaceFile } from '../../system/replace-file.ts';

/** Where Prometheus finds the instances of an environment: a file of `file_sd_configs`. */
export const prometheusTargetsFile = (environmentFolder: string): string =>
  join(environmentFolder, 'prometheus-targets.json');

export interface TargetsOptions {
  readonly file: string;
  readonly environment: string;
  readonly runtime: Pick<Runtime, 'observe' | 'subscribe'>;
  /** Path of a release's metrics; null when it has none. */
  readonly metricsPath: (release: string) => string | null;
  readonly log: (line: string) => void;
}

/**
 * Keeps a file with the metrics ports of all instances that run, written anew whenever they change; readers see it whole. What
 * is returned ends that, once the last change is written; the file stays, as the instances do.
 *
 * @see https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config
 */
export function keepPrometheusTargets(options: TargetsOptions): () => Promise<void> {
  const { file, runtime, log } = options;
  const closed = new AbortController();
  let written = '';
  let said = '';
  let changed = false;
  let writing: Promise<void> | null = null;

  const write = async (): Promise<void> => {
    while (changed) {
      changed = false;
      const text = targetsText(await runtime.observe(new AbortController().signal), options);
      if (text === written) continue;
      await mkdir(dirname(file), { recursive: true, mode: 0o700 });
      await replaceFile(file, text);
      written = text;
      said = '';
    }
  };
  const note = (): void => {
    changed = true;
    // The callback comes in the middle of a change; what counts is how it stands afterwards.
    writing ??= Promise.resolve()
      .then(write)
      .catch((error: unknown) => {
        const text = error instanceof Error ? error.message : String(error);
        if (text !== said) log(`${options.environment}: the targets for Prometheus cannot be written: ${text}`);
        said = text;
      })
      .finally(() => {
        writing = null;
        // It came between the last look and here.
        if (changed && said === '' && !closed.signal.aborted) note();
      });
  };
  const leave = runtime.subscribe(note);
  note();
  return async () => {
    leave();
    closed.abort();
    // Nobody tells of changes any more, so what is under way is the last, and takes them all in.
    await writing;
  };
}

/** Targets and labels in the form of `file_sd_configs`; in a steady order. */
export function targetsText(
  slots: readonly SlotStatus[],
  { environment, metricsPath }: Pick<TargetsOptions, 'environment' | 'metricsPath'>,
): string {
  const groups = slots.flatMap(({ ref, release, instances }) =>
    instances.flatMap(({ id, metrics, pid }) => {
      const path = metricsPath(release);
      if (metrics === undefined || pid === null || path === null) return [];
      const { service, slot } = ref;
      const labels = { __metrics_path__: path, environment, service, slot, release, instance: id };
      return [{ targets: [`${metrics.host}:${metrics.port}`], labels }];
    }),
  );
  const ordered = groups.toSorted((a, b) => (a.labels.instance < b.labels.instance ? -1 : 1));
  return `${JSON.stringify(ordered, null, 2)}\n`;
}
