import { spawn } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { away, plane, project, start, up, veza } from '../../test/fixtures/command-line.ts';
import { committed, deployment, NEW, NOW, reverted } from '../../test/fixtures/views.ts';
import { CapacityError, ExitStatus } from '../errors.ts';

describe('wrong usage', () => {
  it.each([
    [['depoly'], 'Unknown command `depoly`', 'deploy'],
    [['deploy', '--detatch'], 'Unknown option `--detatch`', '--detach'],
    [['deploy', '--strategy', 'canry'], 'canry', 'canary'],
    [['deploy', '--train', '--in-order'], 'cannot be used with', ''],
    [['run'], 'missing required argument', ''],
    [['run', 'web'], 'Run what?', 'veza run web -- node --version'],
    [['logs', '--tail', 'many'], 'expects a whole number, got `many`', ''],
    [['rollback', 'api', 'web', '--to', 'rel_1'], '`--to` is about one service', ''],
    [['completion', 'fich'], 'did you mean `fish`?', ''],
    [['init', '--name', 'My Shop'], 'cannot be the name of a platform', ''],
    [['secrets', 'set', 'KEY'], 'Standard input is empty', ''],
    [['secrets', 'lst'], 'lst', ''],
  ])('%j says what is wrong, ends with 2, and does nothing', async (args, message, hint) => {
    const { status, out, err } = await veza(args);
    expect(err.toLowerCase()).toContain(message.toLowerCase());
    expect(err).toContain(hint);
    expect(status).toBe(ExitStatus.usage);
    expect(out).toBe('');
    expect(err).not.toContain('    at ');
  });

  it('of a service says which was meant, before anything is built', async () => {
    await up();
    const { status, err } = await veza(['deploy', 'wbe']);
    expect(err).toContain('There is no service called `wbe`; did you mean `web`?');
    expect(err).toContain('Known: api, web, worker.');
    expect(status).toBe(ExitStatus.usage);
    expect(plane.calls.map(([method]) => method)).toEqual(['info']);
  });

  it('of `rollback` without a service names one, where there are several', async () => {
    await up();
    const { status, err } = await veza(['rollback']);
    expect(err).toContain('Which service?');
    expect(err).toContain('veza rollback api');
    expect(status).toBe(ExitStatus.usage);
    expect(plane.calls.map(([method]) => method)).toEqual(['info']);
  });

  it('of an environment says which was meant', async () => {
    await up();
    const { status, err } = await veza(['deploy', '-e', 'prodution']);
    expect(err).toContain('did you mean `production`?');
    expect(status).toBe(ExitStatus.usage);
  });

  it('is a problem document with --json', async () => {
    const { err } = await veza(['status', '--jsn', '--json']);
    expect(JSON.parse(err)).toMatchObject({ code: 'usage', exitStatus: 2, hint: expect.stringContaining('--json') });
  });
});

describe('help', () => {
  it('of every command has examples', async () => {
    const { out } = await veza(['--help']);
    const commands = [...out.matchAll(/^ {2}([a-z]+)(?: [[<].*?[\]>])*(?: {2,}|$)/gm)].map(([, name = '']) => name);
    expect(commands).toEqual(expect.arrayContaining(['init', 'deploy', 'run', 'completion', 'approve']));
    for (const command of commands.filter((name) => name !== 'help')) {
      const help = await veza([command, '--help']);
      expect(help.status).toBe(ExitStatus.ok);
      expect((help.out.match(/^ {2}\$ .*veza/gm) ?? []).length, command).toBeGreaterThanOrEqual(2);
    }
  });

  it('without a command is shown, and is wrong usage', async () => {
    const { status, out } = await veza([]);
    expect(out).toContain('Usage: veza');
    expect(status).toBe(ExitStatus.usage);
  });
});

describe('without a control plane', () => {
  it.each([['status'], ['deploy'], ['watch'], ['down'], ['secrets', 'list']])(
    '`veza %s` says how to start one',
    async (...args) => {
      const { status, err } = await veza(args);
      expect(status).toBe(ExitStatus.unreachable);
      expect(err).toContain(`No control plane is running for ${join(project, '.veza')}.`);
      expect(err).toContain('veza up');
    },
  );

  it('outside a project says so', async () => {
    await rm(join(project, 'veza.config.ts'));
    const { status, err } = await veza(['status']);
    expect(err).toContain('There is no veza.config.ts');
    expect(status).toBe(ExitStatus.usage);
  });

  it('the doctor still says what the machine has', async () => {
    const { out } = await veza(['doctor', '--json']);
    const checks = JSON.parse(out) as { name: string; state: string; fix: string | null }[];
    expect(checks.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['node', 'git', 'limits', 'state folder', 'disk', 'control plane']),
    );
    for (const check of checks) if (check.state !== 'ok') expect(check.fix).not.toBeNull();
  });
});

describe('a deployment', () => {
  it('is built, deployed and followed; ends with one line and 0 at the commit', async () => {
    await up();
    const { ended, says } = start(['deploy', 'web', '--strategy', 'canary', '--train']);
    await says('dep_12 preparing');
    plane.show(deployment());
    await says('dep_12 stepping: web 25 %');
    plane.show(committed());
    const { status, out, err } = await ended;
    expect(err).toContain('✔ web  rel_ab12cd34');
    expect(out.trimEnd().split('\n').at(-1)).toBe(
      '✔ web is at rel_ab12cd34 (Greet people by their name) in production: 4,210 requests during the rollout, 0 lost.',
    );
    expect(status).toBe(ExitStatus.ok);
    expect(plane.calls).toContainEqual([
      'deploy',
      { environment: null, releases: [NEW], strategy: 'canary', order: 'together', kind: 'planned', force: false },
      expect.any(String),
    ]);
  });

  it.each([
    ['taken back', reverted(), ExitStatus.reverted, 'was taken back'],
    [
      'refused',
      deployment({
        phase: 'refused',
        endedAt: NOW,
        reason: { code: 'gate-refused', service: null, text: 'not in staging yet' },
      }),
      ExitStatus.refused,
      'not in staging yet',
    ],
  ])('that is %s says why and has its own exit status', async (_, view, expected, text) => {
    await up();
    const { ended, says } = start(['deploy', 'web']);
    await says('dep_12 preparing');
    plane.show(view);
    const { status, out } = await ended;
    expect(out).toContain(text);
    expect(status).toBe(expected);
  });

  it('goes on after Ctrl-C, which says how to come back and how to stop it', async () => {
    await up();
    const { interrupt, ended, says } = start(['deploy', 'web']);
    await says('dep_12 preparing');
    interrupt();
    const { status, err } = await ended;
    expect(err).toContain('dep_12 goes on without you.');
    expect(err).toContain('`veza watch dep_12`');
    expect(err).toContain('`veza abort dep_12`');
    expect(status).toBe(ExitStatus.interrupted);
    expect(plane.calls.map(([method]) => method)).not.toContain('operate');
  });

  it('is followed over a control plane that dies and comes back', async () => {
    await up();
    const { ended, says } = start(['deploy', 'web']);
    await says('dep_12 preparing');
    await away();
    await says('control plane away');
    plane.show(committed());
    await up();
    const { status, out } = await ended;
    expect(out).toContain('control plane is back');
    expect(status).toBe(ExitStatus.ok);
  });

  it('that is not needed says so and ends with 0', async () => {
    await up();
    plane.unchanged = [{ service: 'web', release: NEW }];
    const { status, out } = await veza(['deploy', 'web']);
    expect(out).toBe('✔ web runs rel_ab12cd34 already; nothing to do.\n');
    expect(status).toBe(ExitStatus.ok);
  });

  it('that is detached is not watched', async () => {
    await up();
    const { status, out } = await veza(['deploy', 'web', '--detach', '--json']);
    expect(JSON.parse(out)).toMatchObject({ deployments: [{ id: 'dep_12' }] });
    expect(status).toBe(ExitStatus.ok);
    expect(plane.calls.map(([method]) => method)).not.toContain('watch');
  });

  it('of a release that belongs to another service is refused before anything is asked', async () => {
    await up();
    const { status, err } = await veza(['deploy', 'api', '--release', 'rel_ab12']);
    expect(err).toContain('rel_ab12cd34 is a release of web.');
    expect(status).toBe(ExitStatus.usage);
  });

  it('whose build fails shows the last lines of its output', async () => {
    await up();
    plane.failure = null;
    const original = plane.build.bind(plane);
    plane.build = async (...args) => {
      await original(...args);
      throw new CapacityError('The build of web failed: `npm run build` exited with status 2.', 'Correct it.');
    };
    const { status, err } = await veza(['deploy', 'web']);
    expect(err).toContain('web | compiled 12 modules');
    expect(err).toContain('exited with status 2');
    expect(status).toBe(ExitStatus.refused);
  });

  it('is JSON, a line a view, with --json', async () => {
    await up();
    plane.show(reverted());
    const { status, out } = await veza(['watch', 'dep_12', '--json']);
    expect(
      out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([reverted()]);
    expect(status).toBe(ExitStatus.reverted);
  });
});

describe('what a person does to a deployment', () => {
  it('is about the active one when none is named', async () => {
    await up();
    plane.show(deployment());
    const { status, out } = await veza(['pause']);
    expect(out).toContain('pause dep_12');
    expect(status).toBe(ExitStatus.ok);
    expect(plane.calls).toContainEqual(['operate', 'dep_12', { kind: 'pause' }, expect.any(String)]);
  });

  it('asks which when several are active', async () => {
    await up();
    plane.show(deployment());
    plane.show(deployment({ id: 'dep_13' }));
    const { status, err } = await veza(['promote', '--all']);
    expect(err).toContain('2 deployments are active: dep_13, dep_12.');
    expect(status).toBe(ExitStatus.usage);
  });

  it('that the phase does not allow ends with 4 and says what to do instead', async () => {
    await up();
    plane.show(reverted());
    const { status, err } = await veza(['abort', 'dep_12']);
    expect(err).toContain('Cannot abort dep_12 while it is reverted');
    expect(err).toContain('`veza deploy`');
    expect(status).toBe(ExitStatus.refused);
  });

  it('to abort ends with 0 when it was taken back, as asked', async () => {
    await up();
    plane.show(deployment());
    const { ended, says } = start(['abort']);
    await says('dep_12 stepping');
    plane.show(reverted());
    expect((await ended).status).toBe(ExitStatus.ok);
  });
});

describe('looking', () => {
  it('at a deployment shows it in full, with its timeline', async () => {
    await up();
    plane.show(reverted());
    plane.record({ text: '25 % to green', service: 'web' });
    const { status, out } = await veza(['show', 'dep_12']);
    expect(out).toContain('reason   candidate answers 18.2 %');
    expect(out).toContain('web · 25 % to green');
    expect(out).toContain('Evidence');
    expect(status).toBe(ExitStatus.ok);
  });

  it('at events resumes after what it has seen when the control plane comes back', async () => {
    await up();
    plane.record({ text: 'first' });
    const { interrupt, ended, says } = start(['events', '--follow']);
    await says('first');
    await away();
    plane.record({ text: 'second' });
    await up();
    await says('second');
    interrupt();
    const { status, out } = await ended;
    expect(out.match(/first/g)).toHaveLength(1);
    expect(status).toBe(ExitStatus.interrupted);
  });

  it('at logs prints whole lines', async () => {
    await up();
    const { out } = await veza(['logs', 'web']);
    expect(out).toMatch(/web i-1 rel_ab12cd34 listens on 42000/);
  });
});

describe('run', () => {
  it('streams output and returns the exit status of the process', async () => {
    await up();
    plane.runOutput = ['half a li', 'ne\n'];
    plane.runStatus = 42;
    const { status, out } = await veza(['run', 'web', '--', 'node', '-e', '0', '--json']);
    expect(out).toBe('half a line\n');
    expect(status).toBe(42);
    expect(plane.calls).toContainEqual([
      'run',
      { environment: null, service: 'web', release: null, command: ['node', '-e', '0', '--json'] },
      expect.any(String),
    ]);
  });

  it('stops the process at Ctrl-C', async () => {
    await up();
    plane.runOutput = ['started'];
    plane.hangs = true;
    const { interrupt, ended, says } = start(['run', 'web', '--', 'sleep']);
    await says('started');
    interrupt();
    expect((await ended).status).toBe(ExitStatus.interrupted);
    await vi.waitFor(() => expect(plane.aborted).toContain('run'));
  });
});

describe('maintenance', () => {
  it("is begun with a page of one's own and ended again", async () => {
    await up();
    await writeFile(join(project, 'soon.html'), '<p>soon</p>');
    const on = await veza([
      'maintenance',
      'on',
      'web',
      '-e',
      'production',
      '--page',
      'soon.html',
      '--retry-after',
      '1h',
    ]);
    expect(on.out).toMatch(/web is under maintenance in production.*\n.*`veza maintenance off web -e production`/);
    expect(plane.calls).toContainEqual([
      'maintenance',
      'production',
      'web',
      { kind: 'on', retryAfterSeconds: 3_600, html: '<p>soon</p>' },
    ]);
    const off = await veza(['maintenance', 'off', 'web']);
    expect(off.out).toContain('web is open in production');
    expect(plane.calls).toContainEqual(['maintenance', null, 'web', { kind: 'off' }]);
  });

  it.each([
    [['--page', 'nowhere.html'], 'The page nowhere.html cannot be read'],
    [['--retry-after', '30'], 'expected a duration with its unit'],
    [['--retry-after', '30d'], 'is longer than 1d'],
  ])('%s is refused before anything is asked', async (options, message) => {
    await up();
    const { status, err } = await veza(['maintenance', 'on', 'web', ...options]);
    expect(status).toBe(ExitStatus.usage);
    expect(err).toContain(message);
    expect(plane.calls.filter(([name]) => name === 'maintenance')).toEqual([]);
  });
});

describe('secrets', () => {
  it('are read from standard input and never from the command line', async () => {
    await up();
    const { status, out } = await veza(['secrets', 'set', 'SESSION_KEY', '-e', 'production'], { input: 's3cret\n' });
    expect(out).toContain('SESSION_KEY is set in production');
    expect(out).not.toContain('s3cret');
    expect(status).toBe(ExitStatus.ok);
    expect(plane.calls).toContainEqual(['setSecret', 'production', 'SESSION_KEY', 's3cret', expect.any(String)]);
  });
});

describe('init', () => {
  it('makes a project that validates, with a first commit, and changes nothing that exists', async () => {
    await rm(join(project, 'veza.config.ts'));
    await writeFile(join(project, '.gitignore'), 'mine\n');
    const { status, out } = await veza(['init', '--name', 'shop']);
    expect(status).toBe(ExitStatus.ok);
    expect(out).toContain('.gitignore exists; left as it is');
    expect(await readFile(join(project, '.gitignore'), 'utf8')).toBe('mine\n');
    expect(out).toContain('✔ git repository with a first commit');
    expect(out).toMatch(/Next:\n {2}veza up\n {2}veza deploy\n {2}curl http:\/\/127\.0\.0\.1:\d+\//);
    const validated = await veza(['validate']);
    expect(validated).toMatchObject({ status: ExitStatus.ok, out: '✔ shop is valid: 1 service in development.\n' });
    const again = await veza(['init']);
    expect(again.out).not.toContain('✔ veza.config.ts');
    expect(again.out).toContain('veza.config.ts exists; left as it is');
  });
});

describe('validate', () => {
  it('reports all mistakes at once and ends with 3', async () => {
    await writeFile(
      join(project, 'veza.config.ts'),
      "export default { name: 'shop', services: { web: { source: 'web', run: 'node x.mjs', strategy: { kind: 'canry' }, instances: 0 } } };\n",
    );
    const { status, err } = await veza(['validate']);
    expect(status).toBe(ExitStatus.invalid);
    expect(err).toContain('services.web.strategy');
    expect(err).toContain('services.web.instances');
  });
});

describe('completion', () => {
  it.each(['bash', 'zsh', 'fish'])('knows every command in %s', async (shell) => {
    const { status, out } = await veza(['completion', shell]);
    expect(status).toBe(ExitStatus.ok);
    for (const word of ['deploy', 'rollback', 'secrets', 'strategy', 'blue-green']) expect(out).toContain(word);
  });

  it('is a script that bash can read, and completes commands and choices', async () => {
    const { out } = await veza(['completion', 'bash']);
    const probe = `${out}\nCOMP_WORDS=(veza dep); COMP_CWORD=1; _veza; echo "\${COMPREPLY[@]}"\nCOMP_WORDS=(veza deploy --strategy b); COMP_CWORD=3; _veza; echo "\${COMPREPLY[@]}"\nCOMP_WORDS=(veza secrets l); COMP_CWORD=2; _veza; echo "\${COMPREPLY[@]}"\n`;
    const bash = spawn('bash', ['--norc', '-s'], { stdio: 'pipe' });
    let answer = '';
    bash.stdout.setEncoding('utf8').on('data', (text: string) => (answer += text));
    bash.stdin.end(probe);
    await new Promise((resolve) => bash.once('close', resolve));
    expect(answer).toBe('deploy deployments\nblue-green\nlist\n');
  });
});
