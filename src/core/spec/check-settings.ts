import { formatDuration } from '../units/duration.ts';
import { checkHeaders } from './check-edge.ts';
import { repeated } from './check-references.ts';
import { checkStrategy } from './check-strategy.ts';
import type { Declared, Piece } from './declared.ts';
import { describe, mistake, type Mistake, type MistakePath } from './mistake.ts';
import { insteadOfPlaceholder, PLACEHOLDERS, placeholdersIn } from './placeholders.ts';
import { resolveSmoke } from './resolve-service.ts';
import type { DeclaredResource } from './schema.ts';
import type { DeclaredOverride, DeclaredService } from './schema-service.ts';
import { holdsSecret, looksSecret } from './secret-names.ts';

type Settings = Partial<DeclaredService> | Partial<DeclaredOverride>;

/** Checks what each part says by itself, wherever it stands: in `services` and in `overrides`. */
export function checkSettings(declared: Declared): Mistake[] {
  return [
    ...[...declared.services].flatMap(([name, piece]) => checkOne(piece, ['services', name], {})),
    ...[...declared.resources].flatMap(([name, piece]) => checkResource(piece, ['resources', name])),
    ...[...declared.strategies].flatMap(([name, strategy]) =>
      strategy === null ? [] : checkStrategy(strategy, ['strategies', name]),
    ),
    ...[...declared.environments].flatMap(([environment, pieces]) => [
      ...[...pieces.overrides].flatMap(([name, piece]) =>
        checkOne(piece, ['environments', environment, 'overrides', name], declared.services.get(name)?.value ?? {}),
      ),
      ...[...pieces.resources].flatMap(([name, piece]) =>
        checkResource(piece, ['environments', environment, 'resources', name]),
      ),
    ]),
  ];
}

/** @param base - the service as it is without these settings */
function checkOne(
  { value: settings, broken }: Piece<Settings>,
  path: MistakePath,
  base: Pick<Settings, 'data' | 'metrics'>,
): Mistake[] {
  // What was meant is not known when it could not be read; that is a mistake of its own.
  const offers: Readonly<Record<string, boolean>> = {
    DATA: broken.has('data') || (settings.data === undefined ? base.data : settings.data) === 'shared',
    METRICS_PORT: broken.has('metrics') || Boolean(settings.metrics === undefined ? base.metrics : settings.metrics),
  };
  return [
    ...checkBuild(settings, path),
    ...checkHealth(settings, path),
    ...checkRestart(settings, path),
    ...checkRoute(settings, path),
    ...checkHeaders(settings, path),
    ...checkEnvironment(settings, path, offers['METRICS_PORT'] === true),
    ...checkPlaceholders(settings, path, offers),
    ...checkSmoke(settings, path),
    ...(typeof settings.strategy === 'object' ? checkStrategy(settings.strategy, [...path, 'strategy']) : []),
  ];
}

function checkBuild(settings: Settings, path: MistakePath): Mistake[] {
  const build = 'build' in settings ? settings.build : undefined;
  if (build === undefined || !('command' in build) || build.command === undefined || build.commands === undefined)
    return [];
  return [
    mistake({ path: [...path, 'build', 'command'], expected: 'either `command` or `commands`', got: 'both of them' }),
  ];
}

function checkHealth(settings: Settings, path: MistakePath): Mistake[] {
  const { health } = settings;
  if (typeof health !== 'object') return [];
  return (['startup', 'readiness', 'liveness'] as const).flatMap((name) => {
    const probe = health[name];
    if (probe?.tcp !== true || probe.path === undefined) return [];
    return [
      mistake({
        path: [...path, 'health', name, 'tcp'],
        expected: 'either `tcp: true` or a `path`',
        got: 'both of them',
      }),
    ];
  });
}

function checkRestart(settings: Settings, path: MistakePath): Mistake[] {
  const { backoff, maxBackoff } = settings.restart ?? {};
  if (backoff === undefined || maxBackoff === undefined || backoff <= maxBackoff) return [];
  return [
    mistake({
      path: [...path, 'restart', 'maxBackoff'],
      expected: `at least the ${formatDuration(backoff)} of \`backoff\``,
      got: formatDuration(maxBackoff),
    }),
  ];
}

function checkRoute(settings: Settings, path: MistakePath): Mistake[] {
  return (['hosts', 'paths'] as const).flatMap((key) => {
    const list: readonly string[] = settings.route?.[key] ?? [];
    return list.flatMap((item, index) =>
      list.indexOf(item) < index ? [repeated([...path, 'route', key, index], item)] : [],
    );
  });
}

function checkEnvironment(settings: Settings, path: MistakePath, hasMetrics: boolean): Mistake[] {
  return Object.entries(settings.environment ?? {}).flatMap(([variable, value]) => {
    const at = [...path, 'environment', variable];
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(variable)) {
      const suggestion = variable
        .toUpperCase()
        .replace(/[^A-Z0-9_]+/g, '_')
        .replace(/^(?=\d)/, '_');
      return [
        mistake({
          path: at,
          expected: 'a variable of letters, digits and `_` that does not start with a digit',
          got: describe(variable),
          suggestion: /^[A-Z_][A-Z0-9_]*$/.test(suggestion) ? suggestion : null,
        }),
      ];
    }
    if (variable === 'PORT' || variable === 'HOST' || variable.startsWith('VEZA_')) {
      return [
        mistake({
          path: at,
          expected: 'a variable other than PORT, HOST and VEZA_…, which every instance gets by itself',
          got: describe(variable),
        }),
      ];
    }
    if (variable === 'METRICS_PORT' && hasMetrics) {
      return [
        mistake({
          path: at,
          expected: 'no METRICS_PORT, which every instance of a service with `metrics` gets by itself',
          got: describe(variable),
        }),
      ];
    }
    if (typeof value !== 'string') return [];
    if (value.includes('\0'))
      return [mistake({ path: at, expected: 'a text without NUL characters', got: 'a text with one' })];
    if (value !== '' && (looksSecret(variable) || holdsSecret(value))) {
      const name = variable.toLowerCase().replaceAll('_', '-').replace(/^-+/, '');
      return [
        mistake({
          path: at,
          expected: 'a reference to the secret store, because a declaration is no place for secrets',
          got: 'a literal text',
          suggestion: `secret('${name}')`,
        }),
      ];
    }
    return [];
  });
}

/** What must be declared for a placeholder that not every service has. */
const NEEDED: Readonly<Record<string, readonly [what: string, setting: string]>> = {
  DATA: ['a folder', "data: 'shared'"],
  METRICS_PORT: ['a second port', "metrics: '/metrics'"],
};

/** `{PROT}` is a mistake, and `{DATA}` one without a folder, `{METRICS_PORT}` one without metrics. */
function checkPlaceholders(
  settings: Settings,
  path: MistakePath,
  offers: Readonly<Record<string, boolean>>,
): Mistake[] {
  const texts: (readonly [MistakePath, string])[] = [
    ...(settings.run ?? []).map((word) => [[...path, 'run'], word] as const),
    ...Object.entries(settings.environment ?? {}).flatMap(([variable, value]) =>
      typeof value === 'string' ? [[[...path, 'environment', variable], value] as const] : [],
    ),
  ];
  return texts.flatMap(([at, text]) =>
    placeholdersIn(text).flatMap((name) => {
      if (!PLACEHOLDERS.some((known) => known === name)) {
        return [
          mistake({
            path: at,
            expected: `one of {PORT}, {HOST}, {DATA} and {METRICS_PORT}, or {{${name}}} for the text itself`,
            got: `{${name}}`,
            suggestion: insteadOfPlaceholder(name),
          }),
        ];
      }
      const needed = NEEDED[name];
      if (needed === undefined || offers[name] === true) return [];
      const [what, setting] = needed;
      return [
        mistake({
          path: at,
          expected: `${what} for {${name}}: \`${setting}\` beside it`,
          got: `{${name}} of a service without one`,
          suggestion: setting,
        }),
      ];
    }),
  );
}

function checkSmoke(settings: Settings, path: MistakePath): Mistake[] {
  const names = (settings.gates?.smoke ?? []).map((check) => resolveSmoke(check).name);
  return names.flatMap((name, index) =>
    names.indexOf(name) < index ? [repeated([...path, 'gates', 'smoke', index], name)] : [],
  );
}

function checkResource({ value, broken }: Piece<DeclaredResource>, path: MistakePath): Mistake[] {
  if (broken.has('kind') || broken.has('mode') || broken.has('url')) return [];
  const { kind, url, database } = value;
  if (kind === 'redis' && value.mode === 'embedded') {
    const expected = '`external`, because Redis is reached by a URL and not started here';
    return [mistake({ path: [...path, 'mode'], expected, got: '"embedded"', suggestion: 'external' })];
  }
  const external = kind === 'redis' || (value.mode ?? (url === undefined ? 'embedded' : 'external')) === 'external';
  const mistakes: Mistake[] = [];
  if (external && url === undefined) {
    mistakes.push(
      mistake({
        path: [...path, 'url'],
        expected: 'the URL of an external resource, as a secret',
        got: 'nothing',
        suggestion: `secret('${URL_SECRETS[kind ?? 'postgres']}')`,
      }),
    );
  } else if (!external && url !== undefined) {
    const expected = 'no `url`, because an embedded resource has none';
    mistakes.push(mistake({ path: [...path, 'url'], expected, got: "a secret's name" }));
  }
  if (database !== undefined && kind !== undefined && kind !== 'postgres') {
    const expected = `no \`database\`, because a resource of kind \`${kind}\` has none`;
    mistakes.push(mistake({ path: [...path, 'database'], expected, got: describe(database) }));
  } else if (external && url !== undefined && database !== undefined) {
    const expected = 'no `database`, because the URL of an external resource names it';
    mistakes.push(mistake({ path: [...path, 'database'], expected, got: describe(database) }));
  }
  return mistakes;
}

const URL_SECRETS = { postgres: 'database-url', redis: 'redis-url', storage: 'storage-url' } as const;
