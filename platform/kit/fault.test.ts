import { describe, expect, test } from 'vitest';
import { builtInFault, faultHook, type Fault } from './fault.ts';

const none: Fault = { failPercent: 0, slowMs: 0, routes: [], services: [] };
const requestOf = (url: string): never => ({ routeOptions: { url } }) as never;

async function share(fault: Fault, route: string, requests = 1000): Promise<number> {
  const hook = faultHook(fault, 'api');
  let failed = 0;
  for (let time = 0; time < requests; time += 1) await hook?.(requestOf(route)).catch(() => void (failed += 1));
  return failed / requests;
}

describe('a planted fault', () => {
  test('is in no build unless it was put there', () => {
    expect(builtInFault).toEqual(none);
    expect(faultHook(builtInFault, 'api')).toBeNull();
  });

  test.each([0, 1, 20, 33, 100])('fails %i of a hundred requests', async (failPercent) => {
    expect(await share({ ...none, failPercent }, '/api/v1/tracks')).toBe(failPercent / 100);
  });

  test('hits the routes and services that it names alone', async () => {
    const fault: Fault = {
      ...none,
      failPercent: 100,
      routes: ['/api/v1/tracks*', '/api/v1/search'],
      services: ['api'],
    };
    expect(await share(fault, '/api/v1/tracks/:id', 10)).toBe(1);
    expect(await share(fault, '/api/v1/search', 10)).toBe(1);
    expect(await share(fault, '/api/v1/searches', 10)).toBe(0);
    expect(faultHook(fault, 'chat')).toBeNull();
  });
});
