/** What is wrong with a release. Everything that is left out is as in the release before. */
export interface Fault {
  /** Share of all requests that it fails with 500. */
  readonly share?: number;
  /** It fails every request of this route. */
  readonly route?: number;
  /** It fails every request of this tenant. */
  readonly tenant?: number;
  /** Its work takes so many times as long. */
  readonly slower?: number;
  /** It keeps so many bytes of every request. */
  readonly leaksBytes?: number;
  /** It answers nobody. */
  readonly hangs?: boolean;
}

export interface FaultKind {
  readonly name: string;
  readonly fault: Fault;
}

/** Routes and tenants that the load is spread over, evenly. */
export const ROUTES = 50;
export const TENANTS = 20;
/** What every release fails, good ones too. */
export const BACKGROUND = 0.001;

export const FAULTS: readonly FaultKind[] = [
  { name: 'fails 1 %', fault: { share: 0.01 } },
  { name: 'fails 5 %', fault: { share: 0.05 } },
  { name: 'fails 20 %', fault: { share: 0.2 } },
  { name: 'fails 100 %', fault: { share: 1 } },
  { name: 'fails one route of 50', fault: { route: 17 } },
  { name: 'fails one tenant of 20', fault: { tenant: 3 } },
  { name: '1.2x slower', fault: { slower: 1.2 } },
  { name: '1.5x slower', fault: { slower: 1.5 } },
  { name: '5x slower', fault: { slower: 5 } },
  { name: 'leaks 2 MB a request', fault: { leaksBytes: 2_000_000 } },
  { name: 'hangs', fault: { hangs: true } },
];

/**
 * The program of a release: 10 to 60 ms of work a request (10 and an exponential 10), a background of failures, and the fault. Paths are
 * `/LANE/ROUTE`, the tenant is in `x-tenant`.
 */
export const program = (version: string, fault: Fault): string => `
import { createServer } from 'node:http';
const version = ${JSON.stringify(version)};
const fault = ${JSON.stringify(fault)};
const kept = [];
createServer((request, response) => {
  if (request.url === '/health') return void response.end('ok');
  if (fault.hangs) return;
  const route = Number(request.url.split('/')[2]);
  const fails =
    Math.random() < ${BACKGROUND} ||
    Math.random() < (fault.share ?? 0) ||
    route === fault.route ||
    Number(request.headers['x-tenant']) === fault.tenant;
  if (fault.leaksBytes) kept.push(Buffer.alloc(fault.leaksBytes, 1));
  const workMs = Math.min(60, 10 - 10 * Math.log(1 - Math.random())) * (fault.slower ?? 1);
  setTimeout(() => response.writeHead(fails ? 500 : 200, { 'x-version': version }).end('ok'), workMs);
}).listen(Number(process.env.PORT), process.env.HOST);
process.on('SIGTERM', () => process.exit(0));
`;
