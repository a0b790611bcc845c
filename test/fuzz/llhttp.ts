import { createRequire } from 'node:module';

// Node's parser as another reader of the same octets: the WebAssembly build of llhttp that comes with undici, in its strict mode,
// without a socket.

export interface ReadMessage {
  method: string;
  target: string;
  status: number;
  /** Flat; names as sent, values without white space around them. */
  readonly headers: string[];
  body: string;
  readonly trailers: string[];
  headComplete: boolean;
  complete: boolean;
}

export interface LlhttpReading {
  readonly messages: ReadMessage[];
  /** Name of what stopped it (`HPE_...`), null when it read all. */
  error: string | null;
}

/** Node has it; its types do not. */
interface WebAssemblyOfNode {
  readonly Module: new (code: Buffer) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
}

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  _initialize(): void;
  malloc(size: number): number;
  llhttp_alloc(type: number): number;
  llhttp_free(parser: number): void;
  llhttp_execute(parser: number, data: number, length: number): number;
  llhttp_finish(parser: number): number;
  llhttp_get_method(parser: number): number;
  llhttp_method_name(method: number): number;
  llhttp_errno_name(errno: number): number;
}

const REQUEST = 1;
const RESPONSE = 2;
const ROOM = 65_536;

export class Llhttp {
  readonly #wasm: Exports;
  readonly #room: number;
  #reading: LlhttpReading = { messages: [], error: null };
  #request = true;
  #headMethod = 'GET';
  #field = '';
  #value = '';
  #inValue = false;

  constructor() {
    const require = createRequire(import.meta.url);
    const { Module, Instance } = (globalThis as unknown as { readonly WebAssembly: WebAssemblyOfNode }).WebAssembly;
    const instance = new Instance(new Module(require('undici/lib/llhttp/llhttp-wasm.js') as Buffer), {
      env: {
        wasm_on_message_begin: () => this.#begin(),
        wasm_on_url: (_: number, at: number, length: number) => this.#append('target', at, length),
        wasm_on_status: () => 0,
        wasm_on_header_field: (_: number, at: number, length: number) => this.#onField(at, length),
        wasm_on_header_value: (_: number, at: number, length: number) => this.#onValue(at, length),
        wasm_on_headers_complete: (parser: number, status: number) => this.#headersComplete(parser, status),
        wasm_on_body: (_: number, at: number, length: number) => this.#append('body', at, length),
        wasm_on_message_complete: () => this.#messageComplete(),
      },
    });
    this.#wasm = instance.exports as Exports;
    this.#wasm._initialize();
    this.#room = this.#wasm.malloc(ROOM);
  }

  /** Reads requests, or answers to `method`, that stand one behind the other, and then the connection ends. */
  read(bytes: Buffer, method: string | null): LlhttpReading {
    if (bytes.length > ROOM) throw new RangeError('more than the oracle reads at once');
    const wasm = this.#wasm;
    this.#reading = { messages: [], error: null };
    this.#request = method === null;
    this.#headMethod = method ?? '';
    this.#field = '';
    this.#value = '';
    this.#inValue = false;
    new Uint8Array(wasm.memory.buffer, this.#room, bytes.length).set(bytes);
    const parser = wasm.llhttp_alloc(this.#request ? REQUEST : RESPONSE);
    const errno = wasm.llhttp_execute(parser, this.#room, bytes.length) || wasm.llhttp_finish(parser);
    if (errno !== 0) this.#reading.error = this.#text(wasm.llhttp_errno_name(errno));
    wasm.llhttp_free(parser);
    return this.#reading;
  }

  get #current(): ReadMessage {
    const message = this.#reading.messages.at(-1);
    if (message === undefined) throw new Error('a message that did not begin');
    return message;
  }

  #begin(): number {
    this.#reading.messages.push({
      method: '',
      target: '',
      status: 0,
      headers: [],
      body: '',
      trailers: [],
      headComplete: false,
      complete: false,
    });
    return 0;
  }

  #append(part: 'target' | 'body', at: number, length: number): number {
    this.#current[part] += this.#octets(at, length);
    return 0;
  }

  #onField(at: number, length: number): number {
    if (this.#inValue) this.#endField();
    this.#field += this.#octets(at, length);
    return 0;
  }

  #onValue(at: number, length: number): number {
    this.#inValue = true;
    this.#value += this.#octets(at, length);
    return 0;
  }

  #endField(): void {
    if (this.#field === '') return;
    const message = this.#current;
    // Node trims white space behind values itself; llhttp leaves it.
    (message.headComplete ? message.trailers : message.headers).push(this.#field, this.#value.replace(/[ \t]+$/, ''));
    this.#field = '';
    this.#value = '';
    this.#inValue = false;
  }

  #headersComplete(parser: number, status: number): number {
    this.#endField();
    const message = this.#current;
    message.status = status;
    if (this.#request) message.method = this.#text(this.#wasm.llhttp_method_name(this.#wasm.llhttp_get_method(parser)));
    message.headComplete = true;
    return !this.#request && this.#headMethod === 'HEAD' ? 1 : 0;
  }

  #messageComplete(): number {
    this.#endField();
    this.#current.complete = true;
    return 0;
  }

  #octets(at: number, length: number): string {
    return Buffer.from(this.#wasm.memory.buffer, at, length).toString('latin1');
  }

  #text(at: number): string {
    const memory = Buffer.from(this.#wasm.memory.buffer);
    return memory.toString('latin1', at, memory.indexOf(0, at));
  }
}
