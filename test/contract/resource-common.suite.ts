import { describe, expect, it } from 'vitest';
import type { ResourceDriver } from '../../src/drivers/resource/resource.ts';
import { ResourceUnavailableError } from '../../src/errors.ts';
import { caught } from './resource.suite.ts';

/** What a driver of a kind without migrations is held to. */
export interface PlainResource {
  /** Drivers of one resource that works, made again and again, as after a restart of the control plane. */
  readonly driver: () => ResourceDriver;
  /** Of one that cannot be reached or used. */
  readonly broken: () => ResourceDriver;
  /** The variable of its kind: `REDIS_URL`. */
  readonly variable: string;
  /** The one of its name, which is `job-queue`. */
  readonly named: 'JOB_QUEUE_URL';
  /** Whether it tells a version. */
  readonly version: boolean;
  /** Parts of its URL that nobody may read. */
  readonly credentials: readonly string[];
}

const never = new AbortController().signal;

/** What every driver of a resource does, whatever it is; `resource.suite.ts` has what those with migrations do besides. */
export function plainResourceContract(name: string, make: () => PlainResource): void {
  describe(`${name}: a resource without migrations`, () => {
    it('is ready after start, which may be called again and by another driver', async () => {
      const { driver, version } = make();
      await driver().start(never);
      await driver().start(never);
      const status = await driver().status();
      expect(status).toMatchObject({ state: 'ready', reason: null, pid: null });
      if (version) expect(status.version).toMatch(/^\d+\.\d+/);
      else expect(status.version).toBeNull();
    });

    it('has no migrations, and says so', () => {
      expect(make().driver().migrations).toBeNull();
    });

    it('gives a URL, by the variable of its kind and by its own name, also before it is started', async () => {
      const { driver, variable, named } = make();
      const { url, environment } = await driver().connection();
      expect(environment).toEqual({ [variable]: url, [named]: url });
    });

    it('shows nothing of its credentials', async () => {
      const { driver, broken, credentials } = make();
      const failed = await caught(broken().start(never));
      const shown = JSON.stringify([await driver().status(), await broken().status(), failed.message, failed.hint]);
      for (const credential of credentials) expect(shown).not.toContain(credential);
    });

    it('says what stands in the way, and is not called stopped: nothing here could start it', async () => {
      const { broken } = make();
      const failed = await caught(broken().start(never));
      expect(failed).toBeInstanceOf(ResourceUnavailableError);
      const status = await broken().status();
      expect(status.state).toBe('unready');
      expect(status.reason).not.toBeNull();
    });

    it('does not start when the signal is aborted already', async () => {
      await expect(
        make()
          .driver()
          .start(AbortSignal.abort(new Error('not now'))),
      ).rejects.toThrow('not now');
    });

    it('is left as it is by stop', async () => {
      const { driver } = make();
      await driver().start(never);
      await driver().stop(never);
      await driver().stop(never);
      expect(await driver().status()).toMatchObject({ state: 'ready' });
    });
  });
}
