import { setTimeout as sleep } from 'node:timers/promises';
import { Client, crypto as acmeCrypto, type Authorization, type Order } from 'acme-client';
import { CertificateOrderError } from '../../errors.ts';
import type { AuthorityLine } from './acme-transport.ts';

/** What an order needs to be gone on with after a restart. */
export interface OpenOrder {
  readonly url: string;
  /** PEM of the certificate's key. */
  readonly key: string;
}

/** Who we are to an authority. */
export interface Account {
  /** PEM. */
  readonly key: string;
  /** Null until it has been registered. */
  readonly url: string | null;
}

export interface OrderRequest {
  readonly line: AuthorityLine;
  readonly account: Account;
  readonly email: string | null;
  readonly hosts: readonly string[];
  readonly open: OpenOrder | null;
  /** Milliseconds between two looks at something that the authority works on. */
  readonly pollMs: number;
  /** Kept before they are used. */
  keep(order: OpenOrder): Promise<void>;
  keepAccount(account: Account): Promise<void>;
  /** Resolves when every worker answers these, by token. */
  onChallenges(answers: Readonly<Record<string, string>>): Promise<void>;
}

/** Milliseconds after which an authority that is still at it is left alone until the next try. */
const patienceMs = 180_000;

export async function makeKey(): Promise<string> {
  return (await acmeCrypto.createPrivateEcdsaKey('P-256')).toString();
}

/**
 * One certificate from an authority (RFC 8555): account, order, HTTP-01 of each host, finalization, download. An open order is
 * gone on with if the authority still has it.
 *
 * @throws CertificateOrderError
 */
export async function orderCertificate(
  order: OrderRequest,
  signal: AbortSignal,
): Promise<{ readonly certificate: string; readonly key: string }> {
  const { line, hosts } = order;
  const { key, url } = order.account;
  const client = new Client({
    directoryUrl: line.directory,
    accountKey: key,
    ...(url === null ? {} : { accountUrl: url }),
  });
  const limit = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]);
  return await line.call(client, limit, async () => {
    if (url === null) {
      await register(client, order.email, line);
      await order.keepAccount({ key, url: client.getAccountUrl() });
    }
    let { open, current } = await resume(client, order);
    if (current === null || open === null) {
      current = await client.createOrder({ identifiers: hosts.map((value) => ({ type: 'dns', value })) });
      open = { url: current.url, key: await makeKey() };
      await order.keep(open);
    }
    if (current.status === 'pending') {
      await prove(client, current, order, limit);
      current = await poll(client, current, order.pollMs, limit, (status) => status !== 'pending', line.directory);
    }
    if (current.status === 'ready') {
      const [, csr] = await acmeCrypto.createCsr({ altNames: [...hosts] }, open.key);
      current = { ...(await client.finalizeOrder(current, csr)), url: open.url };
    }
    if (current.status !== 'valid') {
      current = await poll(client, current, order.pollMs, limit, (status) => status === 'valid', line.directory);
    }
    return { certificate: await client.getCertificate(current), key: open.key };
  });
}

/** The key may be known there already, when we were stopped before its account could be kept. */
async function register(client: Client, email: string | null, line: AuthorityLine): Promise<void> {
  try {
    await client.createAccount({ onlyReturnExisting: true });
  } catch (error) {
    if (line.problem?.problem !== 'accountDoesNotExist') throw error;
    await client.createAccount({
      termsOfServiceAgreed: true,
      ...(email === null ? {} : { contact: [`mailto:${email}`] }),
    });
  }
}

async function resume(client: Client, order: OrderRequest): Promise<{ open: OpenOrder | null; current: Order | null }> {
  const { open } = order;
  if (open === null) return { open: null, current: null };
  try {
    const current = await client.getOrder({ url: open.url } as Order);
    return current.status === 'invalid'
      ? { open: null, current: null }
      : { open, current: { ...current, url: open.url } };
  } catch (error) {
    // Only the authority's word that it has no such order ends it; one that is down may still have it.
    const word = order.line.problem?.problem;
    if (word !== 'malformed' && word !== 'unauthorized') throw error;
    return { open: null, current: null };
  }
}

/** HTTP-01 of all hosts at once (RFC 8555, 8.3). */
async function prove(client: Client, current: Order, order: OrderRequest, signal: AbortSignal): Promise<void> {
  const { directory } = order.line;
  const waiting = (await client.getAuthorizations(current)).filter(({ status }) => status !== 'valid');
  const answers: Record<string, string> = {};
  const challenges = [];
  for (const authorization of waiting) {
    const challenge = authorization.challenges.find(({ type }) => type === 'http-01');
    if (challenge === undefined) {
      throw new CertificateOrderError(
        directory,
        `it does not offer HTTP-01 for ${authorization.identifier.value}`,
        null,
        null,
      );
    }
    answers[challenge.token] = await client.getChallengeKeyAuthorization(challenge);
    challenges.push(challenge);
  }
  try {
    await order.onChallenges(answers);
    for (const challenge of challenges) {
      // One that is being validated already, from before a restart, must not be sent again.
      if (challenge.status === 'pending') await client.completeChallenge(challenge);
    }
    const urls = new Set(waiting.map(({ url }) => url));
    for (;;) {
      const all = (await client.getAuthorizations(current)).filter(({ url }) => urls.has(url));
      const failed = all.find(({ status }) => status !== 'valid' && status !== 'pending');
      if (failed !== undefined) throw refusal(directory, failed);
      if (all.every(({ status }) => status === 'valid')) return;
      await sleep(order.pollMs, undefined, { signal });
    }
  } finally {
    await order.onChallenges({});
  }
}

function refusal(directory: string, authorization: Authorization): CertificateOrderError {
  const challenge = authorization.challenges.find(({ type }) => type === 'http-01');
  const error = (challenge as { readonly error?: { readonly type?: string; readonly detail?: string } } | undefined)
    ?.error;
  const type = error?.type?.replace('urn:ietf:params:acme:error:', '') ?? null;
  const why = error?.detail ?? `its authorization is ${authorization.status}`;
  return new CertificateOrderError(
    directory,
    `${authorization.identifier.value} was not proven: ${why.replace(/\.$/, '')}${type === null ? '' : ` (${type})`}`,
    type,
    null,
  );
}

async function poll(
  client: Client,
  order: Order,
  pollMs: number,
  signal: AbortSignal,
  done: (status: string) => boolean,
  directory: string,
): Promise<Order> {
  for (;;) {
    const current = { ...(await client.getOrder(order)), url: order.url };
    if (current.status === 'invalid') throw new CertificateOrderError(directory, 'the order is invalid', null, null);
    if (done(current.status)) return current;
    await sleep(pollMs, undefined, { signal });
  }
}
