import type { GatewaySettings } from '../../gateway-settings.ts';
import { internalHostOf, type RouteInForce, type RouteTableEntry } from '../../route-table.ts';
import type { Slot } from '../../slot.ts';
import { edgeHeaderRules, edgeRequestRules } from './edge.ts';
import { errorLine, returnProblem } from './problems.ts';
import {
  backendName,
  backendVariants,
  cookieName,
  copiedBackend,
  copyingServer,
  serverOptions,
  serversOf,
  type Server,
} from './servers.ts';
import { addressOf, inheritedOr, quoted } from './text.ts';

/** Where things are that the configuration names; absolute paths. */
export interface HaproxyFiles {
  readonly lua: string;
  /** Name of the map that the script keeps. */
  readonly plain: string;
  /** Folder of the sockets, short enough for socket addresses. */
  readonly sockets: string;
  /** Whole answers by status, `400.http`, `408.http`; and maintenance pages. */
  readonly answers: string;
  /** Folder of certificates with their keys; null without TLS. */
  readonly certificates: string | null;
}

export interface HaproxyConfig {
  readonly routes: readonly RouteInForce[];
  readonly settings: GatewaySettings;
  readonly files: HaproxyFiles;
  /** Loopback port, by service, of the built-in gateway that carries streams. */
  readonly relayPorts: Readonly<Record<string, number>>;
  /** Tells one structure from another; `show info` says it. */
  readonly structure: string;
}

/** Longer than a client's connection is kept idle: after that, nothing new comes to a process that was replaced. */
export const keptConnectionMs = 80_000;

/** Milliseconds for streams to close once they were told, and for whoever tells them. */
const tellMs = 15_000;

/** Requests of one service at a time; as in the built-in gateway. */
const maxInFlight = 4_096;

/** Requests of one service at a time that take the way on which they may be copied. */
const maxCopied = 256;

/**
 * The line that is written at the end of each request; read by src/drivers/router/haproxy/request-line.ts. The last four are
 * there while two releases are compared and somebody reads: method, path, trace, the client's id of the request.
 */
const logFormat =
  'V1 %[date(0,us)] %[var(txn.t0)] %[var(txn.t1)] %[var(txn.service)] %[var(txn.arm)] %ST %ts %[var(txn.from)] %[var(txn.begun)] %[var(txn.preview)] %b %s %rt %[var(txn.method)] %[var(txn.path)] %[var(txn.trace)] %[var(txn.asked_as)]';

/** Longer than any line: HAProxy would cut it. */
const lineBytes = 4_096;

/** Characters of a path that are written: one more than a label is made of, so that it shows that there are more. */
const pathCharacters = 401;

/** Environment variable with a second way (`fd@N`) to the file of lines; see docs/haproxy.md. */
export const secondLogVariable = 'VEZA_SECOND_LOG';

/**
 * The whole configuration of HAProxy 2.6 or later for a table of routes. What changes without a reload is in the server
 * lines (endpoints) and in the file of arms (weights); all else is structure.
 *
 * @param withServers false leaves the server lines out: two such texts are equal when no reload is needed between them
 */
export function emitHaproxyConfig(config: HaproxyConfig, withServers: boolean): string {
  const entries = config.routes
    .map(({ entry }) => entry)
    .sort((a, b) => (a.service < b.service ? -1 : a.service > b.service ? 1 : 0));
  return [
    ['# Written by Veza Deploy. Changes by hand are noticed and undone; docs/haproxy.md says how this works.'],
    globalSection(config),
    defaultsSection(config, entries),
    publicFrontend(config, entries),
    ...entries.map((entry) => internalFrontend(config, entry)),
    handOverBackends(config, entries),
    ...entries.map((entry) => serviceBackends(config, entry, withServers)),
  ]
    .map((lines) => lines.join('\n'))
    .join('\n\n')
    .concat('\n');
}

function globalSection({ files, settings, structure }: HaproxyConfig): string[] {
  return [
    'global',
    `  description veza-${structure}`,
    ...(settings.workers === null ? [] : [`  nbthread ${settings.workers}`]),
    '  # One line a finished request, kept by Veza Deploy for the counts of each arm.',
    `  log stdout len ${lineBytes} format raw local0`,
    ...(settings.workers === 1
      ? []
      : [
          '  # And once more: a thread that finds another one writing drops its line, but not on both ways. Each is counted once.',
          `  log "\${${secondLogVariable}-stdout}" len ${lineBytes} format raw local0`,
        ]),
    `  stats socket ${quoted(`unix@${files.sockets}/admin.sock`)} mode 600 level admin expose-fd listeners`,
    '  # Processes that were replaced by a reload end at the latest after this; their streams were told before.',
    `  hard-stop-after ${keptConnectionMs + Math.ceil(settings.lingerMs) + tellMs}ms`,
    `  lua-load ${quoted(files.lua)}`,
    '  tune.maxrewrite 4096',
    ...(settings.https === null
      ? []
      : [`  ssl-default-bind-options ssl-min-ver ${settings.https.minVersion} no-tls-tickets`]),
  ];
}

function defaultsSection({ files }: HaproxyConfig, entries: readonly RouteTableEntry[]): string[] {
  const idle = Math.max(1_000, ...entries.map(({ proxy }) => proxy.idleTimeoutMs));
  return [
    'defaults',
    '  mode http',
    '  log global',
    '  timeout connect 3s',
    '  timeout http-request 10s',
    '  timeout http-keep-alive 75s',
    `  timeout client ${idle}ms`,
    '  timeout server 60s',
    '  timeout queue 3s',
    '  # A client that goes away ends the request to the instance, too.',
    '  option abortonclose',
    '  # After a reload, clients keep their connections until their next answer: none is cut between two requests.',
    '  option idle-close-on-response',
    `  errorfile 400 ${quoted(`${files.answers}/400.http`)}`,
    `  errorfile 408 ${quoted(`${files.answers}/408.http`)}`,
  ];
}

const smallBody = 'if { req.hdr_val(content-length) 1:8192 } !{ req.hdr(expect) -m found }';

const unlessRouted = '!{ var(txn.service) -m found }';

/** Rules that both sides begin with. */
function firstRules(): string[] {
  return [
    '  # A process that was replaced passes what still comes over kept connections on to the newest one.',
    '  http-request set-var(txn.leaving) bool(true) if { stopping }',
    '  http-request set-log-level silent if { var(txn.leaving) -m bool }',
    '  http-request allow if { var(txn.leaving) -m bool }',
    '  http-request set-var(txn.t0) date(0,us)',
    '  http-request set-var(txn.id) req.hdr(x-request-id) if { req.hdr(x-request-id) -m reg ^[A-Za-z0-9._:+/=@-]{1,128}$ }',
    '  http-request set-var(txn.id) uuid() if !{ var(txn.id) -m found }',
  ];
}

/** Only where a rule looks at it: regular expressions cost as much as ten other rules. */
const hostRule = '  http-request set-var(txn.host) req.hdr(host),lower,regsub(:[0-9]*$,),regsub([.]$,)';

/** The arm: of a service without a candidate by a map, else by the Lua script, which costs more. */
function armRules(plain: string, entries: readonly RouteTableEntry[], side: 'public' | 'internal'): string[] {
  const found = '{ var(txn.plain) -m found }';
  // A cookie of an earlier canary is for the script to take away, and so is an arm that is asked for.
  const askedFor =
    side === 'internal'
      ? ['  http-request unset-var(txn.plain) if { var(txn.wish) -m found }']
      : entries
          .filter((entry) => entry.public?.sticky === true)
          .map(
            ({ service }) =>
              `  http-request unset-var(txn.plain) if { var(txn.service) -m str ${service} } { req.cook(${cookieName(service)}) -m found }`,
          );
  return [
    `  http-request set-var(txn.plain) var(txn.service),map_str(${quoted(plain)})`,
    ...askedFor,
    `  http-request lua.veza_pick ${side} if !${found}`,
    `  http-request set-var(txn.arm) str(stable) if ${found}`,
    `  http-request set-var(txn.slot) var(txn.plain),field(1,|) if ${found}`,
    `  http-request set-var(txn.release) var(txn.plain),field(2,|) if ${found} !{ var(txn.plain),field(2,|) -m str -- - }`,
    `  http-request set-var(txn.other) var(txn.plain),field(3,|) if ${found} !{ var(txn.plain),field(3,|) -m str -- - }`,
  ];
}

const compared = '{ var(txn.compared) -m bool }';

/** What a request is counted by route with, while two releases are compared. */
const routeRules: readonly string[] = [
  `  http-request set-var(txn.method) method if ${compared}`,
  `  http-request set-var(txn.path) path,bytes(0,${pathCharacters}) if ${compared}`,
  `  http-request set-var(txn.trace) req.fhdr(traceparent) if ${compared} { req.fhdr(traceparent) -m reg ^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]{0,100})?$ }`,
  `  http-request set-var(txn.asked_as) req.hdr(x-request-id) if ${compared} { req.hdr(x-request-id),strcmp(txn.id) eq 0 }`,
];

/** Rules that both sides end with: the arm, and what the instance gets to know. */
function lastRules(
  { files }: HaproxyConfig,
  entries: readonly RouteTableEntry[],
  side: 'public' | 'internal',
): string[] {
  const large = entries.flatMap(({ service, proxy }) => {
    if (proxy.maxBodyBytes === null) return [];
    const condition = `if { var(txn.service) -m str ${service} } { req.hdr_val(content-length) gt ${proxy.maxBodyBytes} }`;
    return [`  http-request ${returnProblem('body-too-large')} ${condition}`];
  });
  const limited = entries.filter(({ proxy }) => proxy.maxBodyBytes !== null).map(({ service }) => service);
  return [
    ...armRules(files.plain, entries, side),
    ...routeRules,
    '  # What must end at a boundary (WebSockets, events) or be measured on the way goes through the built-in gateway.',
    '  http-request set-var(txn.relay) bool(true) if { req.hdr(upgrade) -m found } || { req.hdr(accept) -m sub text/event-stream }',
    ...(limited.length === 0
      ? []
      : [
          `  http-request set-var(txn.relay) bool(true) if { var(txn.service) -m str ${limited.join(' ')} } !{ req.hdr(content-length) -m found } !{ method GET HEAD OPTIONS TRACE }`,
        ]),
    '  # That way must not hold anybody up: what would be too much for it goes on directly.',
    ...entries.map(
      ({ service }) =>
        `  http-request unset-var(txn.copied) if { var(txn.copied) -m bool } { var(txn.service) -m str ${service} } { be_conn(${copiedBackend(service)}) ge ${maxCopied} }`,
    ),
    ...large,
    `  http-request ${returnProblem('no-endpoint')} if { var(txn.none) -m bool }`,
    '  # A body that fits into a buffer is awaited: a slow upload of a user is not the time of an instance.',
    `  http-request wait-for-body time 30s ${smallBody}`,
    `  http-request set-var(txn.t0) date(0,us) ${smallBody}`,
    '  http-request set-var(txn.variant) str(.once)',
    '  http-request set-var(txn.variant) str() if { method GET HEAD OPTIONS TRACE PUT DELETE } !{ req.hdr(content-length) -m found } !{ req.hdr(transfer-encoding) -m found }',
    '  http-request set-var(txn.variant) str() if { method GET HEAD OPTIONS TRACE PUT DELETE } { req.hdr_val(content-length) eq 0 }',
    '  http-request lua.veza_hop if { req.hdr(connection) -m found } !{ req.hdr(connection),lower -m str close keep-alive upgrade }',
    '  http-request del-header te',
    '  http-request del-header keep-alive',
    '  http-request del-header proxy-connection',
    '  http-request del-header proxy-authorization',
    '  http-request set-header x-request-id %[var(txn.id)]',
    '  http-request add-header via "1.1 veza"',
    '  http-request set-header x-veza-arm %[var(txn.travels)] if { var(txn.travels) -m found }',
  ];
}

/** What every answer says, an instance's or our own. */
function answerRules(): string[] {
  return [
    '  http-after-response allow if { var(txn.leaving) -m bool }',
    '  http-after-response set-var(txn.t1) date(0,us)',
    '  http-after-response set-header x-request-id %[var(txn.id)] if { var(txn.id) -m found }',
    '  http-after-response set-header x-veza-release %[var(txn.release)] if { var(txn.from) -m str i } { var(txn.release) -m found }',
    '  http-after-response set-header x-veza-release %[var(txn.other)] if { var(txn.from) -m str i } { srv_name -m beg other: } { var(txn.other) -m found }',
    '  http-after-response add-header set-cookie %[var(txn.set_cookie)] if { var(txn.set_cookie) -m found }',
    '  # HAProxy has 503 for instances that cannot be reached; here it is 502, and 503 that there is none.',
    '  http-after-response set-status 502 reason "Bad Gateway" if { res.hdr(x-veza-error) -m str connect-failed }',
  ];
}

function choiceOfBackend(side: string): string[] {
  return [
    `  log-format "${logFormat}"`,
    `  use_backend next.${side} if { var(txn.leaving) -m bool }`,
    '  use_backend %[var(txn.service)].relay if { var(txn.relay) -m bool }',
    '  # While a service is mirrored, the built-in gateway carries what it may copy.',
    '  use_backend %[var(txn.service)].copied if { var(txn.copied) -m bool }',
    '  use_backend %[var(txn.service)].%[var(txn.slot)]%[var(txn.variant)]',
  ];
}

function publicFrontend(config: HaproxyConfig, entries: readonly RouteTableEntry[]): string[] {
  const { settings, files } = config;
  const { https } = settings;
  const tls =
    https === null || files.certificates === null
      ? []
      : [
          `  bind ${inheritedOr(https.host, https.port)} id 2 ssl crt ${quoted(files.certificates)} alpn ${https.http2 ? 'h2,' : ''}http/1.1`,
          `  bind ${quoted(`unix@${files.sockets}/next.public-tls.sock`)} id 12 mode 600 accept-proxy`,
        ];
  const secure = tls.length === 0 ? [] : ['  http-request set-var(txn.secure) bool(true) if { so_id 2 12 }'];
  const port = https === null || https.port === 443 ? '' : `:${https.port}`;
  const redirect =
    https?.redirect === true
      ? [
          `  http-request redirect location "https://%[var(txn.host)]${port}%[pathq]" code 308 if !{ var(txn.secure) -m bool }`,
        ]
      : [];
  const hsts = https?.hsts ?? null;
  const routing = routingRules(entries);
  return [
    'frontend public',
    `  bind ${inheritedOr(settings.http.host, settings.http.port)} id 1`,
    `  bind ${quoted(`unix@${files.sockets}/next.public.sock`)} id 11 mode 600 accept-proxy`,
    ...tls,
    ...firstRules(),
    ...secure,
    ...([...routing, ...redirect].some((rule) => rule.includes('txn.host')) ? [hostRule] : []),
    '  # Most specific host first, then the longest path, in whole segments.',
    ...routing,
    `  http-request ${returnProblem('no-route')} if ${unlessRouted}`,
    ...redirect,
    ...entries.flatMap((entry) => edgeRequestRules(entry, files.answers)),
    '  # Only the router says where a request came from and which arm it takes.',
    '  http-request del-header x-veza- -m beg',
    '  http-request del-header forwarded',
    '  http-request set-header x-forwarded-for %[src]',
    `  http-request set-header x-forwarded-proto ${secure.length === 0 ? 'http' : '%[var(txn.secure),iif(https,http)]'}`,
    '  http-request set-header x-forwarded-host %[req.hdr(host)]',
    ...lastRules(config, entries, 'public'),
    ...answerRules(),
    ...entries.flatMap((entry) => edgeHeaderRules(entry)),
    ...(hsts === null
      ? []
      : [
          `  http-after-response set-header strict-transport-security "max-age=${hsts.maxAgeSeconds}${hsts.includeSubDomains ? '; includeSubDomains' : ''}${hsts.preload ? '; preload' : ''}" if { var(txn.secure) -m bool }`,
        ]),
    ...(tls.length === 0 ? [] : ['  use_backend next.public-tls if { var(txn.leaving) -m bool } { so_id 2 12 }']),
    ...choiceOfBackend('public'),
  ];
}

function internalFrontend(config: HaproxyConfig, entry: RouteTableEntry): string[] {
  const { files } = config;
  const { service, internalPort } = entry;
  return [
    `# Services of the platform reach ${service} here.`,
    `frontend internal.${service}`,
    `  bind ipv4@${internalHostOf(entry)}:${internalPort}`,
    `  bind ${quoted(`unix@${files.sockets}/next.internal.${service}.sock`)} mode 600 accept-proxy`,
    ...firstRules(),
    `  http-request set-var(txn.service) str(${service})`,
    '  http-request set-var(txn.wish) req.hdr(x-veza-arm)',
    '  http-request set-var(txn.preview) bool(true) if { req.hdr(x-veza-preview) -m str 1 }',
    '  # Behind a copy of a request: only questions are answered, and nobody waits for them.',
    '  http-request set-var(txn.preview) bool(true) if { req.hdr(x-veza-mirror) -m found }',
    '  http-request lua.veza_behind_copy if { req.hdr(x-veza-mirror) -m found }',
    `  http-request ${returnProblem('unsafe-copy')} if { var(txn.unsafe) -m bool }`,
    '  http-request del-header x-veza-arm',
    '  http-request add-header x-forwarded-for %[src]',
    '  http-request set-header x-forwarded-proto http if !{ req.hdr(x-forwarded-proto) -m found }',
    '  http-request set-header x-forwarded-host %[req.hdr(host)] if !{ req.hdr(x-forwarded-host) -m found }',
    ...lastRules(config, [entry], 'internal'),
    ...answerRules(),
    ...choiceOfBackend(`internal.${service}`),
  ];
}

interface Rule {
  readonly host: string | null;
  readonly path: string;
  readonly service: string;
}

/** The rules of the gateway's matcher (docs/gateway.md), each only while none before it fitted. */
function routingRules(entries: readonly RouteTableEntry[]): string[] {
  const rules: Rule[] = entries.flatMap(({ service, public: route }) => {
    if (route === null) return [];
    const paths = route.paths.length === 0 ? ['/'] : route.paths;
    const hosts = route.hosts.length === 0 ? ['*'] : route.hosts;
    return hosts.flatMap((host) =>
      paths.map((path) => ({
        host: host === '*' ? null : host.toLowerCase().replace(/\.$/, ''),
        path: path.replace(/\/+$/, ''),
        service,
      })),
    );
  });
  const rank = ({ host }: Rule): number => (host === null ? 2 : host.startsWith('*.') ? 1 : 0);
  const ordered = rules.sort(
    (a, b) =>
      rank(a) - rank(b) ||
      (rank(a) === 1 ? (b.host ?? '').length - (a.host ?? '').length : 0) ||
      b.path.length - a.path.length,
  );
  return ordered.flatMap(({ host, path, service }) => {
    const ofHost =
      host === null
        ? ''
        : host.startsWith('*.')
          ? ` { var(txn.host) -m end ${quoted(host.slice(1))} }`
          : ` { var(txn.host) -m str ${quoted(host)} }`;
    const rule = `  http-request set-var(txn.service) str(${service}) if ${unlessRouted}${ofHost}`;
    if (path === '') return [rule];
    return [`${rule} { path -m str ${quoted(path)} }`, `${rule} { path -m beg ${quoted(`${path}/`)} }`];
  });
}

/** Ways from a process that was replaced to the newest one, by private sockets. */
function handOverBackends({ files, settings }: HaproxyConfig, entries: readonly RouteTableEntry[]): string[] {
  const names = [
    'public',
    ...(settings.https === null ? [] : ['public-tls']),
    ...entries.map(({ service }) => `internal.${service}`),
  ];
  return names.flatMap((name) => [
    `backend next.${name}`,
    '  timeout server 1d',
    '  timeout tunnel 1d',
    '  http-reuse never',
    `  server newest ${quoted(`unix@${files.sockets}/next.${name}.sock`)} send-proxy-v2`,
  ]);
}

const instanceAnswerRules = [
  '  http-response set-var(txn.from) str(i)',
  '  http-response del-header x-veza- -m beg',
  '  http-response lua.veza_hop if { res.hdr(connection) -m found } !{ res.hdr(connection),lower -m str close keep-alive upgrade }',
  '  http-response del-header keep-alive',
  '  http-response del-header proxy-authenticate',
  '  http-response del-header proxy-connection',
];

const beginRule =
  '  http-response lua.veza_begin if { res.hdr(content-type) -m beg text/event-stream } !{ res.hdr(content-length) -m found }';

function serviceBackends(config: HaproxyConfig, entry: RouteTableEntry, withServers: boolean): string[] {
  const { service, proxy, edge } = entry;
  const slots: readonly Slot[] = ['blue', 'green'];
  const servers = withServers ? serversOf(entry) : [];
  const compression = edge.compress
    ? [
        '  compression algo gzip',
        '  compression type text/html text/plain text/css text/csv text/javascript text/xml application/json application/javascript application/xml application/problem+json application/manifest+json image/svg+xml',
      ]
    : [];
  const lines = slots.flatMap((slot) =>
    backendVariants.flatMap((variant) => {
      const backend = backendName(service, slot, variant);
      return [
        `backend ${backend}`,
        '  balance leastconn',
        '  option allbackups',
        '  option redispatch 1',
        '  retries 5',
        ...(variant === ''
          ? ['  retry-on conn-failure empty-response', '  http-reuse safe']
          : [
              '  # Not to be sent twice: only on a connection of its own.',
              '  option http-server-close',
              '  http-reuse never',
            ]),
        `  timeout server ${proxy.responseTimeoutMs}ms`,
        ...compression,
        `  http-request ${returnProblem('overloaded')} if { be_conn gt ${maxInFlight} }`,
        ...instanceAnswerRules,
        beginRule,
        `  ${errorLine(500, 'instance-failed')}`,
        `  ${errorLine(502, 'instance-failed')}`,
        `  ${errorLine(503, 'connect-failed')}`,
        `  ${errorLine(504, 'response-timeout')}`,
        ...serverLines(servers, backend),
      ];
    }),
  );
  const relayMs = Math.max(proxy.responseTimeoutMs, proxy.idleTimeoutMs) + 10_000;
  return [
    `# ${service}`,
    ...lines,
    `backend ${service}.relay`,
    '  option http-server-close',
    '  option http-no-delay',
    '  http-reuse never',
    '  retries 5',
    `  timeout server ${relayMs}ms`,
    `  timeout tunnel ${relayMs}ms`,
    '  http-response set-var(txn.from) str(r)',
    '  http-response set-var(txn.from) str(g) if { res.hdr(x-veza-error) -m found }',
    '  http-response lua.veza_begin if { status 101 }',
    beginRule,
    `  ${errorLine(502, 'instance-failed')}`,
    `  ${errorLine(503, 'connect-failed')}`,
    `  ${errorLine(504, 'response-timeout')}`,
    `  server gateway ipv4@127.0.0.1:${config.relayPorts[service] ?? 0}`,
    '# While it is mirrored: questions that may be copied. Without the gateway, the instances of stable are asked as ever.',
    `backend ${copiedBackend(service)}`,
    '  option allbackups',
    '  option redispatch 1',
    '  retries 5',
    '  retry-on conn-failure empty-response',
    '  http-reuse safe',
    `  timeout server ${relayMs}ms`,
    ...compression,
    `  http-response set-var(txn.from) str(r) if { srv_name -m str ${copyingServer} }`,
    `  http-response set-var(txn.from) str(g) if { srv_name -m str ${copyingServer} } { res.hdr(x-veza-error) -m found }`,
    `  http-response lua.veza_unfit if { var(txn.from) -m str g } { res.hdr(x-veza-error) -m str instance-protocol }`,
    ...instanceAnswerRules.map(
      (rule) => `${rule}${rule.includes(' if ') ? '' : ' if'} !{ srv_name -m str ${copyingServer} }`,
    ),
    `  ${errorLine(500, 'instance-failed')}`,
    `  ${errorLine(502, 'instance-failed')}`,
    `  ${errorLine(503, 'connect-failed')}`,
    `  ${errorLine(504, 'response-timeout')}`,
    `  server ${copyingServer} ipv4@127.0.0.1:${config.relayPorts[service] ?? 0} check inter 1s fastinter 1s downinter 1s fall 1 rise 1 observe layer4 error-limit 1 on-error mark-down`,
    ...serverLines(servers, copiedBackend(service)),
  ];
}

const serverLines = (servers: readonly Server[], backend: string): readonly string[] =>
  servers
    .filter((server) => server.backend === backend)
    .map(
      ({ name, host, port, backup, enabled }) =>
        `  server ${name} ${addressOf(host, port)} ${serverOptions}${backup ? ' backup' : ''}${enabled ? '' : ' disabled'}`,
    );
