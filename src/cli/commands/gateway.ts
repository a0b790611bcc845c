import { ExitStatus } from '../../errors.ts';
import { gatewayLines } from '../render/gateway.ts';
import { relativeText } from '../render/numbers.ts';
import { paint, sign } from '../render/style.ts';
import { textArgument, type Verb } from '../verb.ts';

const status: Verb = {
  definition: {
    name: 'status',
    summary: 'processes, addresses, queues and certificates of the gateway',
    examples: [
      ['veza gateway status', 'of the default environment'],
      ['veza gateway status -e production --json', 'of another, for programs'],
    ],
  },
  action: async ({ client, terminal, json, now, environment }) => {
    const view = await client().call('gateway', { query: { environment } });
    if (json) terminal.out(JSON.stringify(view));
    else for (const line of gatewayLines(view, { style: terminal.style, now: now() })) terminal.out(line);
    return ExitStatus.ok;
  },
};

const upgrade: Verb = {
  definition: {
    name: 'upgrade',
    summary: 'replace the gateway by this version, as it is declared now; no connection is lost',
    description:
      'New processes get the listening sockets and the table; the old ones accept nothing more and finish what they have\n' +
      'begun, WebSockets and event streams too. When the new ones cannot start, the old ones go on unchanged.',
    examples: [
      ['veza gateway upgrade', 'after an update of veza, or of `listen` and TLS in veza.config.ts'],
      ['veza gateway upgrade -e production --json', 'of another environment, for programs'],
    ],
  },
  action: async ({ client, terminal, json, environment }) => {
    const { style } = terminal;
    const view = await client().stream(
      'upgradeGateway',
      { body: { environment } },
      {
        onItem: ({ text }) => {
          if (!json) terminal.note(paint(style, 'dim', `  ${text}`));
        },
      },
    );
    if (json) terminal.out(JSON.stringify(view));
    else {
      const done = paint(style, 'green', sign(style, 'done'));
      terminal.out(
        `${done} The gateway ${view.haproxy === null ? `of ${view.environment}` : `that carries streams for HAProxy in ${view.environment}`} runs as generation ${view.generation}, version ${view.version}.`,
      );
    }
    return ExitStatus.ok;
  },
};

const renew: Verb = {
  definition: {
    name: 'renew',
    arguments: [['[host]', 'whose certificate; without it, all of them']],
    summary: 'order certificates again now, however fresh they are',
    description:
      'Those by ACME are ordered, those for development made, those from files read. Clients are shown the new ones from the\n' +
      'next handshake on; no connection is cut. When an order fails, the old certificate stays, and the status is 1.',
    examples: [
      ['veza gateway renew', 'all, such as after DNS was put right'],
      ['veza gateway renew shop.example -e production', 'one of another environment'],
    ],
  },
  action: async ({ client, terminal, json, now, environment }, { args }) => {
    const { style } = terminal;
    const host = textArgument(args[0]);
    const view = await client().stream(
      'renewCertificates',
      { body: { environment, host } },
      {
        onItem: ({ text }) => {
          if (!json) terminal.note(paint(style, 'dim', `  ${text}`));
        },
      },
    );
    const tried = view.certificates.filter(({ hosts }) => host === null || hosts.includes(host.toLowerCase()));
    const failed = tried.some(({ shown, warning }) => shown !== 'real' || warning !== null);
    if (json) terminal.out(JSON.stringify(view));
    else {
      for (const { hosts, expiresAt, warning } of tried) {
        const until = expiresAt === null ? '' : `, expires ${relativeText(expiresAt, now())}`;
        if (warning === null) terminal.out(`${paint(style, 'green', sign(style, 'done'))} ${hosts.join(' ')}${until}`);
        else terminal.out(`${paint(style, 'red', sign(style, 'failed'))} ${warning}`);
      }
    }
    return failed ? ExitStatus.failed : ExitStatus.ok;
  },
};

/** A group of verbs: `veza gateway status`, `upgrade`, `renew`. */
export const gateway = {
  name: 'gateway',
  summary: 'look at the gateway, replace it, or renew its certificates',
  verbs: [status, upgrade, renew],
};
