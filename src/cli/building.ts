import type { ApiClient } from '../api/client.ts';
import type { BuildProgressView, BuildView } from '../api/schemas.ts';
import { UnknownNameError } from '../errors.ts';
import { bytesText, shortRelease } from './render/numbers.ts';
import { paint, sign } from './render/style.ts';
import type { VerbContext } from './verb.ts';

/** Lines of a build's output that are shown when it fails. */
const LAST_LINES = 20;

/** Builds and shows how it goes: one line a service and stage; the output of commands when one fails. */
export async function buildReleases(
  { terminal, json, environment, interrupt, now }: VerbContext,
  client: ApiClient,
  request: { readonly services: readonly string[]; readonly dirty: boolean; readonly force: boolean },
): Promise<BuildView> {
  const { style } = terminal;
  const output = new Map<string, string[]>();
  const started = now();
  const show = (progress: BuildProgressView): void => {
    const { service, stage, text } = progress;
    if (stage === 'output') {
      const lines = output.get(service) ?? [];
      lines.push(text);
      output.set(service, lines.slice(-LAST_LINES));
      return;
    }
    if (json || stage === 'built' || stage === 'reused') return;
    terminal.note(paint(style, 'dim', `  ${service}  ${stage === 'command' ? `$ ${text}` : text}`));
  };
  try {
    const built = await client.stream(
      'build',
      { body: { environment, services: request.services, dirty: request.dirty, force: request.force } },
      { signal: interrupt, onItem: show },
    );
    if (!json) {
      for (const release of built.releases) {
        const what = release.reused
          ? 'built before'
          : `${bytesText(release.artifactBytes)}, ${((now() - started) / 1000).toFixed(1)} s`;
        const commit = `${release.commit.slice(0, 8)}${release.dirty ? ' with uncommitted changes' : ''}`;
        terminal.note(
          `${paint(style, 'green', sign(style, 'done'))} ${release.service}  ${shortRelease(release.id)}  ${paint(style, 'dim', `${commit}  ${release.subject}  (${what})`)}`,
        );
      }
    }
    return built;
  } catch (error) {
    for (const [service, lines] of output)
      for (const line of lines) terminal.note(paint(style, 'dim', `  ${service} | ${line}`));
    throw error;
  }
}

/** Says at once, with the nearest name, when a service is not one. */
export async function checkServices(
  client: ApiClient,
  environment: string | null,
  services: readonly string[],
): Promise<void> {
  if (services.length === 0 && environment === null) return;
  const info = await client.call('info', {});
  const name = environment ?? info.defaultEnvironment;
  const found = info.environments.find((candidate) => candidate.name === name);
  if (found === undefined)
    throw new UnknownNameError(
      'environment',
      name,
      info.environments.map((known) => known.name),
    );
  for (const service of services) {
    if (!found.services.includes(service)) throw new UnknownNameError('service', service, found.services);
  }
}
