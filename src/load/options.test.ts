import { describe, expect, it } from 'vitest';
import { LoadOptionsError, planLoad, type LoadOptions } from './options.ts';

const plan = (options: Partial<LoadOptions>) => planLoad({ target: 'http://127.0.0.1:8080', ...options }, () => 'abc');

describe('the options of the load client', () => {
  it('have defaults for all but the target', () => {
    expect(plan({})).toMatchObject({
      target: { host: '127.0.0.1', port: 8080 },
      apiTarget: { host: '127.0.0.1', port: 8080 },
      hostHeader: '127.0.0.1:8080',
      rate: 200,
      durationMs: 7_200_000,
      uploadEveryMs: 2000,
      uploadBytes: 5_000_000,
      eventStreams: 4,
      webSockets: 4,
      client: 'load-abc',
    });
  });

  it('take durations as text and as milliseconds', () => {
    expect(plan({ duration: '60s' }).durationMs).toBe(60_000);
    expect(plan({ duration: '1m30s' }).durationMs).toBe(90_000);
    expect(plan({ duration: 250 }).durationMs).toBe(250);
  });

  it.each(['http://127.0.0.1:1', 'http://127.9.9.9:1', 'http://[::1]:1', 'http://localhost:1'])(
    'accept %s as this machine',
    (target) => {
      expect(plan({ target }).target.port).toBe(1);
    },
  );

  it('do not look localhost up', () => {
    expect(plan({ target: 'http://localhost' }).target).toEqual({ host: '127.0.0.1', port: 80 });
  });

  it.each([
    { target: 'http://example.com' },
    { target: 'http://10.0.0.1:80' },
    { target: 'http://127.0.0.1.example.com' },
    { target: 'http://[::2]' },
    { target: 'https://127.0.0.1' },
    { target: 'http://127.0.0.1/path' },
    { target: '127.0.0.1:80' },
    { apiTarget: 'http://192.168.0.1' },
    { rate: 0 },
    { rate: 5001 },
    { rate: Number.NaN },
    { duration: '3h' },
    { duration: '60' },
    { duration: 0 },
    { eventStreams: 65 },
    { webSockets: -1 },
    { uploadBytes: 31 },
    { host: 'a b' },
    { client: '../x' },
    { mix: { echo: 0, chain: 0, post: 0, read: 0 } },
    { mix: { echo: -1 } },
  ])('refuse %j with a hint', (options) => {
    expect(() => plan(options)).toThrow(LoadOptionsError);
    expect(() => plan(options)).toThrow(expect.objectContaining({ hint: expect.stringMatching(/\.$/) }));
  });
});
