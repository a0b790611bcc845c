import { z } from 'zod';
import type { ImageConfig } from '../../core/policy/image/inspection.ts';

/** No document of an image needs more; each is held in memory. */
export const MOST_DOCUMENT = 4 * 1024 * 1024;

const Digested = z.object({ digest: z.string().regex(/^sha256:[0-9a-f]{64}$/), mediaType: z.string().optional() });
const Annotations = z.record(z.string(), z.string()).nullish();

export const Manifest = z.object({ config: Digested, layers: z.array(Digested).max(1000), annotations: Annotations });

export const Index = z.object({
  manifests: z.array(Digested.extend({ annotations: Annotations })).max(1000),
});

/** What `docker save` puts beside the layers. */
export const SavedImages = z
  .array(
    z.object({ Config: z.string(), RepoTags: z.array(z.string()).nullish(), Layers: z.array(z.string()).max(1000) }),
  )
  .max(1000);

const Texts = z.array(z.string()).nullish();
const Run = z.looseObject({
  User: z.string().nullish(),
  Env: Texts,
  Cmd: Texts,
  Entrypoint: Texts,
  Labels: z.record(z.string(), z.string()).nullish(),
  Healthcheck: z.object({ Test: Texts }).nullish(),
  OnBuild: Texts,
  Shell: Texts,
});

const Configuration = z.looseObject({
  config: Run.nullish(),
  // Docker's older builder leaves here what it ran last.
  container_config: Run.nullish(),
  author: z.string().nullish(),
  comment: z.string().nullish(),
  rootfs: z.object({ diff_ids: z.array(z.string()) }),
  history: z
    .array(
      z.looseObject({ created_by: z.string().nullish(), comment: z.string().nullish(), author: z.string().nullish() }),
    )
    .nullish(),
});

export interface ReadConfiguration {
  readonly config: ImageConfig;
  readonly diffIds: readonly string[];
}

/**
 * The configuration of an image.
 *
 * @param annotations of its manifest, which stand beside its labels
 * @returns null when it is none
 */
export function readConfiguration(
  text: string,
  annotations: Readonly<Record<string, string>>,
): ReadConfiguration | null {
  const parsed = Configuration.safeParse(parseJson(text));
  if (!parsed.success) return null;
  const { config, container_config: last, rootfs, history, author, comment } = parsed.data;
  const runs = [config ?? {}, last ?? {}] as readonly z.infer<typeof Run>[];
  const all = (pick: (run: z.infer<typeof Run>) => readonly string[] | null | undefined): readonly string[] => [
    ...new Set(runs.flatMap((run) => pick(run) ?? [])),
  ];
  return {
    config: {
      user: config?.User ?? '',
      env: all(({ Env }) => Env),
      command: all((run) => [
        ...(run.Entrypoint ?? []),
        ...(run.Cmd ?? []),
        ...(run.Healthcheck?.Test ?? []),
        ...(run.OnBuild ?? []),
        ...(run.Shell ?? []),
      ]),
      labels: { ...last?.Labels, ...annotations, ...config?.Labels },
      history: [
        ...(history ?? []).map((step) => [step.created_by, step.comment, step.author].filter(isText).join('\n')),
        ...[author, comment].filter(isText),
      ],
    },
    diffIds: rootfs.diff_ids,
  };
}

const isText = (text: string | null | undefined): text is string => text !== null && text !== undefined && text !== '';

/** null for what is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
