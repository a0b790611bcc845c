import { Agent } from 'node:http';
import { AcknowledgedSet } from './acknowledged.ts';
import { chainChecksum, echoChecksum, messageChecksum, messageText, UploadBodies } from './answers.ts';
import { answererOf, classifyAnswer, classifyFailure } from './classify.ts';
import { exchange, type Exchange, type ExchangeRequest } from './exchange.ts';
import { isRecord, parseJson } from './json.ts';
import type { LoadPlan, Operation, ScheduledOperation } from './options.ts';
import type { AcknowledgedReport } from './report.ts';
import type { Clock, Tally } from './tally.ts';

type Fields = Readonly<Record<string, unknown>>;
type Asked = Pick<ExchangeRequest, 'method' | 'path'> & { readonly json?: string; readonly upload?: number };

/** Messages that may be read back, newest last; older ones are checked at the end of the run. */
const readBackKept = 256;
const finalCheckMs = 15_000;

/** Sends the requests of a run and checks each answer against what is known in advance. */
export class Operations {
  readonly acknowledged = new AcknowledgedSet();
  readonly #plan: LoadPlan;
  readonly #clock: Clock;
  readonly #tally: Tally;
  readonly #uploads: UploadBodies;
  readonly #toReadBack: number[] = [];
  // An idle connection is given up by us after 2 s, or a second before the server's own hint: no server that keeps its
  // word closes one under a request of ours, and so every reset counts.
  readonly #agent = new Agent({ keepAlive: true, timeout: 2_000, maxFreeSockets: 256 });
  #nextNumber: number;
  #nextSeq = 0;

  /** @param firstNumber of this run's echoes, so that an answer to another run's is told apart */
  constructor(plan: LoadPlan, clock: Clock, tally: Tally, firstNumber: number) {
    this.#plan = plan;
    this.#clock = clock;
    this.#tally = tally;
    this.#nextNumber = firstNumber;
    this.#uploads = new UploadBodies(plan.uploadBytes);
  }

  /** Sends one request that was due at `dueMs`. Resolves when all about it is counted. */
  async send(operation: ScheduledOperation | 'upload', dueMs: number): Promise<void> {
    switch (operation) {
      case 'echo':
        return this.#echo(dueMs);
      case 'chain':
        return this.#chain(dueMs);
      case 'post':
        return this.#post(dueMs);
      case 'read': {
        const seq = this.#toReadBack.pop();
        return seq === undefined ? this.#echo(dueMs) : this.#read(seq, dueMs);
      }
      case 'upload':
        return this.#upload(dueMs);
    }
  }

  /**
   * Reads all messages of this run and compares them with what was acknowledged. Asked again for up to 15 s while there is
   * no answer: what is checked is what was kept, not whether it can be reached.
   */
  async checkAcknowledged(): Promise<AcknowledgedReport> {
    const deadline = this.#clock.monotonicMs() + finalCheckMs;
    const found = new AcknowledgedSet();
    let after = -1;
    let problem: string | null = null;
    while (this.#clock.monotonicMs() < deadline && this.acknowledged.size > 0) {
      const path = `/api/messages/${this.#plan.client}?after=${after}`;
      const page = messagesOf(await this.#exchange({ method: 'GET', path }, this.#plan.timeoutMs));
      if (typeof page === 'string') {
        problem = page;
        await new Promise((resolve) => setTimeout(resolve, 200));
        continue;
      }
      problem = null;
      if (page.length === 0) break;
      for (const message of page) {
        const seq = this.#checkStored(message);
        if (seq === null || seq <= after)
          return this.#acknowledgedReport(found, 'the list of messages is out of order');
        if (this.acknowledged.has(seq)) found.add(seq);
        after = seq;
      }
    }
    if (this.#clock.monotonicMs() >= deadline) problem ??= `not read to the end in ${finalCheckMs} ms`;
    problem ??= this.acknowledged.size > 0 ? await this.#checkCount(found.size) : null;
    return this.#acknowledgedReport(found, problem);
  }

  close(): void {
    this.#agent.destroy();
  }

  async #echo(dueMs: number): Promise<void> {
    const n = this.#nextNumber++;
    await this.#ask('echo', { method: 'GET', path: `/echo?n=${n}` }, 200, dueMs, (body) => {
      if (body['n'] !== n) return `echo of ${String(body['n'])} instead of ${n}`;
      return body['checksum'] === echoChecksum(n) ? null : `echo ${n} has a wrong checksum`;
    });
  }

  async #chain(dueMs: number): Promise<void> {
    const n = this.#nextNumber++;
    await this.#ask('chain', { method: 'GET', path: `/chain?n=${n}` }, 200, dueMs, (body) => {
      if (body['n'] !== n) return `chain of ${String(body['n'])} instead of ${n}`;
      if (body['checksum'] !== chainChecksum(n)) return `chain ${n} has a wrong checksum`;
      const versions = ['web', 'api', 'worker'].map((service) => {
        const its = body[service];
        return isRecord(its) ? String(its['version']) : '?';
      });
      this.#tally.chain(versions.join(' '));
      return null;
    });
  }

  async #post(dueMs: number): Promise<void> {
    const { client } = this.#plan;
    const seq = this.#nextSeq++;
    const json = JSON.stringify({ client, seq, text: messageText(client, seq) });
    await this.#ask('post', { method: 'POST', path: '/api/messages', json }, 201, dueMs, (body) => {
      // Acknowledged by its status already: a wrong answer to it does not take that back.
      this.acknowledged.add(seq);
      this.#toReadBack.push(seq);
      if (this.#toReadBack.length > readBackKept) this.#toReadBack.shift();
      return this.#messageProblem(body, seq);
    });
  }

  async #read(seq: number, dueMs: number): Promise<void> {
    const path = `/api/messages/${this.#plan.client}/${seq}`;
    await this.#ask('read', { method: 'GET', path }, 200, dueMs, (body) => this.#messageProblem(body, seq));
  }

  async #upload(dueMs: number): Promise<void> {
    const n = this.#nextNumber++;
    await this.#ask('upload', { method: 'POST', path: '/upload', upload: n }, 200, dueMs, (body) => {
      if (body['bytes'] !== this.#uploads.bytes)
        return `${String(body['bytes'])} bytes instead of ${this.#uploads.bytes}`;
      return body['sha256'] === this.#uploads.sha256(n) ? null : `upload ${n} has a wrong checksum`;
    });
  }

  async #ask(
    operation: Operation,
    asked: Asked,
    expected: number,
    dueMs: number,
    problemOf: (body: Fields) => string | null,
  ): Promise<void> {
    this.#tally.sent(operation);
    const timeoutMs = operation === 'upload' ? this.#plan.uploadTimeoutMs : this.#plan.timeoutMs;
    const result = await this.#exchange(asked, timeoutMs);
    this.#tally.ended();
    if (result.kind === 'failure') {
      const release = result.headers === null ? null : answererOf(result.headers).release;
      this.#tally.lost(operation, classifyFailure(result.code, result.phase), release, result.detail);
      return;
    }
    const answerer = answererOf(result.headers);
    this.#tally.answered(operation, answerer, this.#clock.monotonicMs() - dueMs);
    const verdict = classifyAnswer(result.status, result.headers, expected);
    switch (verdict.verdict) {
      case 'lost':
        return this.#tally.lost(operation, verdict.kind, answerer.release, verdict.detail);
      case 'failed-by-release':
        return this.#tally.failedByRelease(operation, verdict.release);
      case 'unexpected':
        return this.#tally.wrong(operation, answerer.release, `${asked.path}: ${verdict.detail}`);
      case 'expected': {
        const body = parseJson(result.body);
        const problem = problemOf(isRecord(body) ? body : {});
        if (problem === null) this.#tally.ok(operation);
        else this.#tally.wrong(operation, answerer.release, problem);
      }
    }
  }

  async #exchange(asked: Asked, timeoutMs: number): Promise<Exchange> {
    const json = asked.json === undefined ? null : Buffer.from(asked.json);
    const headers: Record<string, string> = { host: this.#plan.hostHeader };
    if (json !== null) headers['content-type'] = 'application/json';
    let body: ExchangeRequest['body'] = json === null ? null : { bytes: json.length, chunks: [json] };
    if (asked.upload !== undefined) body = { bytes: this.#uploads.bytes, chunks: this.#uploads.chunks(asked.upload) };
    return exchange({
      agent: this.#agent,
      address: asked.path.startsWith('/api/') ? this.#plan.apiTarget : this.#plan.target,
      method: asked.method,
      path: asked.path,
      headers,
      body,
      timeoutMs,
    });
  }

  #messageProblem(body: Fields, seq: number): string | null {
    const { client } = this.#plan;
    if (body['client'] !== client || body['seq'] !== seq) return `message ${String(body['seq'])} instead of ${seq}`;
    if (body['text'] !== messageText(client, seq)) return `message ${seq} has another text`;
    return body['checksum'] === messageChecksum(client, seq) ? null : `message ${seq} has a wrong checksum`;
  }

  /** The sequence of a stored message, after counting it as wrong if it is; null when it has none. */
  #checkStored(message: unknown): number | null {
    const fields = isRecord(message) ? message : {};
    const seq = fields['seq'];
    if (typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 0) return null;
    if (seq >= this.#nextSeq) {
      this.#tally.wrong('read', null, `message ${seq} is stored and was never sent`);
      return seq;
    }
    const problem = this.#messageProblem({ ...fields, client: this.#plan.client }, seq);
    if (problem !== null) this.#tally.wrong('read', null, `at the end: ${problem}`);
    return seq;
  }

  /** The platform's own count must not be smaller than what its list showed. */
  async #checkCount(found: number): Promise<string | null> {
    const path = `/api/messages/${this.#plan.client}/count`;
    const result = await this.#exchange({ method: 'GET', path }, this.#plan.timeoutMs);
    if (result.kind === 'failure') return `the count of messages did not come: ${result.detail}`;
    const body = parseJson(result.body);
    const count = isRecord(body) ? body['count'] : undefined;
    if (result.status !== 200 || typeof count !== 'number')
      return `the count of messages came with status ${result.status}`;
    if (count < found) this.#tally.wrong('read', null, `${count} messages counted, ${found} listed`);
    return null;
  }

  #acknowledgedReport(found: AcknowledgedSet, problem: string | null): AcknowledgedReport {
    const complete = problem === null;
    const missing = complete ? this.#countMissing(found) : 0;
    return { acknowledged: this.acknowledged.size, found: found.size, missing, complete, problem };
  }

  #countMissing(found: AcknowledgedSet): number {
    let missing = 0;
    for (let seq = 0; seq < this.#nextSeq; seq += 1) {
      if (!this.acknowledged.has(seq) || found.has(seq)) continue;
      missing += 1;
      this.#tally.wrong('read', null, `message ${seq} was acknowledged and is not there`);
    }
    return missing;
  }
}

/** A page of messages, or why there is none. */
function messagesOf(result: Exchange): readonly unknown[] | string {
  if (result.kind === 'failure') return `no answer: ${result.detail}`;
  const body = parseJson(result.body);
  const messages = isRecord(body) ? body['messages'] : undefined;
  if (result.status === 200 && Array.isArray(messages)) return messages;
  return `status ${result.status} to the list of messages`;
}
