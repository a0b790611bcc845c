import { literally } from '../../core/spec/placeholders.ts';
import type { Service } from '../../core/spec/platform.ts';
import type { ResourceDriver } from '../../drivers/resource/resource.ts';
import type { Configuration } from '../../engine/environment.ts';
import { UnknownNameError } from '../../errors.ts';

export interface ConfigurationParts {
  readonly resources: ReadonlyMap<string, ResourceDriver>;
  readonly internalPort: (service: string) => number;
  /** The folder of a service whose `data` is shared, made if need be; absolute. */
  readonly dataFolder: (service: string) => Promise<string>;
  /** @throws MissingSecretError */
  readonly secret: (secret: string, service: string, variable: string) => Promise<string>;
}

/** `api` becomes `API_URL`, `image-proxy` becomes `IMAGE_PROXY_URL`. */
const urlVariable = (service: string): string => `${service.replaceAll('-', '_').toUpperCase()}_URL`;

/**
 * What an instance is told (guide 1.1, factor 3): addresses of its dependencies (the router's, never an instance's), of its
 * resources, and what is declared. The declaration wins where names meet.
 */
export function createConfiguration(parts: ConfigurationParts): Configuration {
  return {
    async variables(service, signal) {
      const variables: Record<string, string> = {};
      for (const dependency of service.dependencies) {
        variables[urlVariable(dependency)] = `http://127.0.0.1:${parts.internalPort(dependency)}`;
      }
      for (const name of service.resources)
        Object.assign(variables, literals((await resource(parts, name).connection()).environment));
      if (service.data === 'shared') variables['VEZA_DATA'] = literally(await parts.dataFolder(service.name));
      for (const [name, value] of Object.entries(service.environment)) {
        variables[name] =
          typeof value === 'string' ? value : literally(await parts.secret(value.secret, service.name, name));
        signal.throwIfAborted();
      }
      return variables;
    },
  };
}

const literals = (variables: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, literally(value)]));

export function resource(parts: Pick<ConfigurationParts, 'resources'>, name: string): ResourceDriver {
  const driver = parts.resources.get(name);
  if (driver === undefined) throw new UnknownNameError('resource', name, [...parts.resources.keys()]);
  return driver;
}

/** Names of the secrets that a service refers to. */
export const secretsOf = (service: Service): readonly string[] =>
  Object.values(service.environment).flatMap((value) => (typeof value === 'string' ? [] : [value.secret]));
