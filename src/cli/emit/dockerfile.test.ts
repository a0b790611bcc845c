import { describe, expect, it } from 'vitest';
import { parsePinnedReference } from '../../core/image/reference.ts';
import type { Service } from '../../core/spec/platform.ts';
import { dockerfileOf } from './dockerfile.ts';

const pinned = (name: string) => {
  const read = parsePinnedReference(`registry.example/${name}@sha256:${'0a'.repeat(32)}`);
  if (!read.ok) throw new Error(read.expected);
  return read.value;
};
const probe = { check: { kind: 'http', path: '/health' }, intervalMs: 1, timeoutMs: 1, failures: 1 };
const service = (changes: object = {}): Service =>
  ({
    name: 'api',
    source: 'services/api',
    build: { commands: [['npm', 'ci']], output: 'dist' },
    run: ['node', 'server.js'],
    health: { startup: probe, readiness: probe, liveness: null, stableForMs: 0 },
    ...changes,
  }) as unknown as Service;
const bases = { build: pinned('node-build'), run: pinned('node') };

describe('a Dockerfile', () => {
  it.each(['node', 'go', 'rust'] as const)(
    'for %s has bases by digest, a number as user, no shell form, no curl, and a last stage without a build',
    (language) => {
      const text = dockerfileOf(
        service({ run: language === 'node' ? ['node', 'server.js'] : ['./api'] }),
        language,
        bases,
      );
      expect([...text.matchAll(/^FROM (\S+)/gm)].map(([, base]) => base)).toEqual([
        `registry.example/node-build@sha256:${'0a'.repeat(32)}`,
        `registry.example/node@sha256:${'0a'.repeat(32)}`,
      ]);
      expect(text).toMatch(/^USER 10001:10001$/m);
      // Shell form would need a shell.
      for (const [, form] of text.matchAll(/^(?:RUN|CMD|HEALTHCHECK .*CMD) (.*)$/gm))
        expect(() => JSON.parse(form ?? '') as unknown).not.toThrow();
      expect(text).not.toMatch(/curl|wget|latest|\/root/);
      expect(text.slice(text.lastIndexOf('FROM'))).not.toMatch(/^RUN/m);
      expect(text).toMatch(/^COPY --from=build --chown=0:0 \/out\/ \/$/m);
    },
  );

  it('asks health of the service itself', () => {
    expect(dockerfileOf(service(), 'node', bases)).toContain('/health');
    expect(dockerfileOf(service({ run: ['./api', '--serve'] }), 'go', { ...bases, run: null })).toMatch(
      /CMD \["\/app\/api","healthcheck"\]\nCMD \["\/app\/api","--serve"\]\n$/,
    );
  });

  it('stands on nothing where nothing is needed', () => {
    expect(dockerfileOf(service({ run: ['./api'] }), 'rust', { ...bases, run: null })).toMatch(/^FROM scratch$/m);
  });
});
