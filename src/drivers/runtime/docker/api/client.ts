import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { z } from 'zod';
import { DockerRefusedError } from '../../../../errors.ts';
import { DockerConnection, type Asked, type DockerHost } from './connection.ts';

/** Version of the API that is asked for: that of Docker Engine 20.10, which later ones understand. */
const VERSION = '/v1.41';

const infoSchema = z.object({ MemTotal: z.number(), NCPU: z.number(), ServerVersion: z.string() });
const createdSchema = z.object({ Id: z.string() });
const endSchema = z.object({ StatusCode: z.number() });
const networkSchema = z.object({
  Id: z.string(),
  IPAM: z.object({ Config: z.array(z.object({ Subnet: z.string().optional() })).nullable() }),
  Containers: z.record(z.string(), z.unknown()).nullish(),
});
const stateSchema = z.object({
  Id: z.string(),
  Name: z.string(),
  State: z.object({
    Running: z.boolean(),
    Pid: z.number(),
    OOMKilled: z.boolean(),
    ExitCode: z.number(),
    StartedAt: z.string(),
  }),
  Config: z.object({ Labels: z.record(z.string(), z.string()).nullable() }),
});
const listSchema = z.array(
  z.object({ Id: z.string(), State: z.string(), Labels: z.record(z.string(), z.string()).nullable() }),
);

export type ContainerState = z.output<typeof stateSchema>;

/** A container as lists have it. */
export interface ListedContainer {
  readonly id: string;
  readonly running: boolean;
  readonly labels: Readonly<Record<string, string>>;
}

/** The part of the Docker Engine API that is used here. Every answer is checked; a refusal is an error with its words. */
export class DockerClient {
  readonly #connection: DockerConnection;

  constructor(host: DockerHost) {
    this.#connection = new DockerConnection(host);
  }

  info(signal: AbortSignal): Promise<z.output<typeof infoSchema>> {
    return this.#json({ method: 'GET', path: '/info', signal }, infoSchema);
  }

  async hasImage(id: string, signal: AbortSignal): Promise<boolean> {
    return (await this.#find({ method: 'GET', path: `/images/${id}/json`, signal }, z.unknown())) !== null;
  }

  /** @throws DockerRefusedError with what the Engine says, also when it says so in the middle of its answer */
  async loadImage(archive: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    const asked = { method: 'POST', path: '/images/load?quiet=1', signal } as const;
    const text = await this.#text({ ...asked, body: archive, contentType: 'application/x-tar' });
    const failure = /"error":"((?:[^"\\]|\\.)*)"/.exec(text)?.[1];
    if (failure !== undefined) throw new DockerRefusedError('load an image', JSON.parse(`"${failure}"`) as string);
  }

  findNetwork(name: string, signal: AbortSignal): Promise<z.output<typeof networkSchema> | null> {
    return this.#find({ method: 'GET', path: `/networks/${encodeURIComponent(name)}`, signal }, networkSchema);
  }

  async createNetwork(body: unknown, signal: AbortSignal): Promise<string> {
    return (await this.#json({ method: 'POST', path: '/networks/create', json: body, signal }, createdSchema)).Id;
  }

  async removeNetwork(id: string, signal: AbortSignal): Promise<void> {
    await this.#find({ method: 'DELETE', path: `/networks/${id}`, signal }, z.unknown());
  }

  async create(name: string, body: unknown, signal: AbortSignal): Promise<string> {
    const path = `/containers/create?name=${encodeURIComponent(name)}`;
    return (await this.#json({ method: 'POST', path, json: body, signal }, createdSchema)).Id;
  }

  async start(id: string, signal: AbortSignal): Promise<void> {
    await this.#text({ method: 'POST', path: `/containers/${id}/start`, signal });
  }

  /** Standard input of a container, and what it writes, in frames. */
  attach(id: string, output: boolean, signal: AbortSignal): Promise<Duplex> {
    const streams = output ? 'stdin=1&stdout=1&stderr=1' : 'stdin=1';
    return this.#connection.hijack({
      method: 'POST',
      path: `${VERSION}/containers/${id}/attach?stream=1&${streams}`,
      signal,
    });
  }

  find(id: string, signal: AbortSignal): Promise<ContainerState | null> {
    return this.#find({ method: 'GET', path: `/containers/${encodeURIComponent(id)}/json`, signal }, stateSchema);
  }

  /** Containers with all these labels, running or not. */
  async list(labels: Readonly<Record<string, string>>, signal: AbortSignal): Promise<readonly ListedContainer[]> {
    const filters = { label: Object.entries(labels).map(([name, value]) => `${name}=${value}`) };
    const path = `/containers/json?all=1&filters=${encodeURIComponent(JSON.stringify(filters))}`;
    const found = await this.#json({ method: 'GET', path, signal }, listSchema);
    return found.map(({ Id, State, Labels }) => ({ id: Id, running: State === 'running', labels: Labels ?? {} }));
  }

  /** Waits for its end. @returns its exit status; 128 and more is a signal's number above 128 */
  async wait(id: string, signal: AbortSignal): Promise<number> {
    const path = `/containers/${id}/wait?condition=not-running`;
    return (await this.#json({ method: 'POST', path, signal }, endSchema)).StatusCode;
  }

  /** False when it does not run any more, or is gone. */
  async kill(id: string, name: 'SIGTERM' | 'SIGKILL', signal: AbortSignal): Promise<boolean> {
    const answer = await this.#ask({ method: 'POST', path: `/containers/${id}/kill?signal=${name}`, signal });
    if (answer.statusCode === 404 || answer.statusCode === 409) {
      answer.resume();
      return false;
    }
    await readAnswer(answer, 'kill a container');
    return true;
  }

  /** Removes it, running or not; nothing there is fine. */
  async remove(id: string, signal: AbortSignal): Promise<void> {
    const answer = await this.#ask({ method: 'DELETE', path: `/containers/${id}?force=1&v=1`, signal });
    // 409: somebody removes it already.
    if (answer.statusCode === 404 || answer.statusCode === 409) answer.resume();
    else await readAnswer(answer, 'remove a container');
  }

  /**
   * What a container wrote, in frames, each line with the time that it was written at.
   *
   * @param since as the API has it: seconds since 1970, with nanoseconds behind the point
   */
  async logs(
    id: string,
    { follow, since, tail, streams }: { follow: boolean; since?: string; tail?: number; streams: 'all' | 'stderr' },
    signal: AbortSignal,
  ): Promise<AsyncIterable<Buffer> | null> {
    const query = new URLSearchParams({
      follow: follow ? '1' : '0',
      stdout: streams === 'all' ? '1' : '0',
      stderr: '1',
      timestamps: '1',
      ...(since === undefined ? {} : { since }),
      ...(tail === undefined ? {} : { tail: String(tail) }),
    });
    const answer = await this.#ask({ method: 'GET', path: `/containers/${id}/logs?${query.toString()}`, signal });
    if (answer.statusCode === 404) {
      answer.resume();
      return null;
    }
    if (answer.statusCode !== 200) await readAnswer(answer, 'read logs');
    return answer;
  }

  close(): void {
    this.#connection.close();
  }

  #ask(asked: Asked): Promise<IncomingMessage> {
    return this.#connection.ask({ ...asked, path: `${VERSION}${asked.path}` });
  }

  async #text(asked: Asked): Promise<string> {
    return readAnswer(await this.#ask(asked), `${asked.method} ${asked.path.split('?', 1)[0] ?? ''}`);
  }

  async #json<Schema extends z.ZodType>(asked: Asked, schema: Schema): Promise<z.output<Schema>> {
    return schema.parse(JSON.parse(await this.#text(asked)));
  }

  /** Null when there is no such thing. */
  async #find<Schema extends z.ZodType>(asked: Asked, schema: Schema): Promise<z.output<Schema> | null> {
    const answer = await this.#ask(asked);
    if (answer.statusCode === 404) {
      answer.resume();
      return null;
    }
    const text = await readAnswer(answer, `${asked.method} ${asked.path.split('?', 1)[0] ?? ''}`);
    return schema.parse(text === '' ? {} : JSON.parse(text));
  }
}

const messageSchema = z.object({ message: z.string() });

/** @throws DockerRefusedError for a status that is no success */
async function readAnswer(answer: IncomingMessage, what: string): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString('utf8');
  const status = answer.statusCode ?? 0;
  if (status >= 200 && status < 400) return text;
  throw new DockerRefusedError(what, messageOf(text) ?? `status ${status}`);
}

function messageOf(text: string): string | null {
  try {
    const parsed = messageSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data.message : null;
  } catch {
    return text.trim() === '' ? null : text.trim();
  }
}
