import { literally } from '../../core/spec/placeholders.ts';
import type { SecretReference, Service } from '../../core/spec/platform.ts';
import type { ResourceDriver } from '../../drivers/resource/resource.ts';
import type { Configuration } from '../../engine/environment.ts';
import { UnknownNameError } from '../../errors.ts';

export interface ConfigurationParts {
  readonly resources: ReadonlyMap<string, ResourceDriver>;
  /** Address of this machine as instances reach it. */
  readonly machine: string;
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
        variables[urlVariable(dependency)] = addressOf(parts, dependency);
      }
      for (const name of service.resources)
        Object.assign(variables, literals((await resource(parts, name).connection()).environment));
      if (service.data === 'shared') variables['VEZA_DATA'] = literally(await parts.dataFolder(service.name));
      for (const [name, value] of Object.entries(service.environment)) {
        if (typeof value === 'string') variables[name] = value;
        else if ('address' in value) variables[name] = addressOf(parts, value.address);
        else variables[name] = literally(await parts.secret(value.secret, service.name, name));
        signal.throwIfAborted();
      }
      return variables;
    },
    async attachments(service) {
      const connections = await Promise.all(service.resources.map((name) => resource(parts, name).connection()));
      const own = service.data === 'shared' ? [await parts.dataFolder(service.name)] : [];
      const declared = Object.entries(service.environment).filter(([, value]) => isSecret(value));
      return {
        folders: [...own, ...connections.flatMap(({ folders }) => folders ?? [])],
        // An address of a resource holds its password.
        secrets: [
          ...declared.map(([name]) => name),
          ...connections.flatMap(({ environment }) => Object.keys(environment)),
        ],
      };
    },
  };
}

const addressOf = ({ machine, internalPort }: ConfigurationParts, service: string): string =>
  `http://${machine}:${internalPort(service)}`;

const literals = (variables: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, literally(value)]));

export function resource(parts: Pick<ConfigurationParts, 'resources'>, name: string): ResourceDriver {
  const driver = parts.resources.get(name);
  if (driver === undefined) throw new UnknownNameError('resource', name, [...parts.resources.keys()]);
  return driver;
}

const isSecret = (value: Service['environment'][string]): value is SecretReference =>
  typeof value === 'object' && 'secret' in value;

/** Names of the secrets that a service refers to. */
export const secretsOf = (service: Service): readonly string[] =>
  Object.values(service.environment).flatMap((value) => (isSecret(value) ? [value.secret] : []));
