import type { Environment, Platform, Service } from '../core/spec/platform.ts';
import { UnknownNameError } from '../errors.ts';

/** What a request without environment means: `development`, or the first one that is declared. */
export function defaultEnvironment(platform: Platform): string {
  const names = Object.keys(platform.environments);
  return names.includes('development') ? 'development' : (names[0] ?? 'development');
}

/** @throws UnknownNameError naming the known ones */
export function findEnvironment(platform: Platform, name: string | null): Environment {
  const { environments } = platform;
  const wanted = name ?? defaultEnvironment(platform);
  const environment = environments[wanted];
  if (environment === undefined) throw new UnknownNameError('environment', wanted, Object.keys(environments));
  return environment;
}

/** @throws UnknownNameError naming the known ones */
export function findService(environment: Environment, name: string): Service {
  const service = environment.services[name];
  if (service === undefined) throw new UnknownNameError('service', name, Object.keys(environment.services));
  return service;
}
