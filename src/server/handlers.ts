import type { Contract } from '../api/contract.ts';
import type { AnswerOf, EndpointRequest, ItemOf } from '../api/endpoint.ts';
import type { ControlPlane } from './control-plane.ts';

export interface Caller {
  /** Who asks, for the journal. */
  readonly by: string;
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal;
  /** Id of the last item that the client has seen, or null. */
  readonly lastEventId: string | null;
}

/** Sends an item; resolves when the client has room for more. */
export type Emit<Item> = (item: Item, id?: string) => Promise<void>;

/** One function an endpoint. Only those of endpoints with items get to emit. */
export type Handlers = {
  readonly [K in keyof Contract]: (
    request: EndpointRequest<Contract[K]>,
    caller: Caller,
    emit: Emit<ItemOf<Contract[K]>>,
  ) => Promise<AnswerOf<Contract[K]>>;
};

const ENDED = {};

/** The API as a face of a control plane. Deployments do not get the client's signal: they go on without it. */
export const handlersFor = (plane: ControlPlane): Handlers => ({
  info: () => plane.info(),
  doctor: () => plane.doctor(),
  down: async ({ body }, { by }, emit) => {
    const send = ordered(emit);
    const answer = await plane.down(body, by, send.push);
    await send.flushed();
    return answer;
  },
  status: ({ query }) => plane.status(query.environment),
  logs: async ({ query }, { signal }, emit) => {
    for await (const line of plane.logs(query, signal)) await emit(line);
    return ENDED;
  },
  run: async ({ body }, { by, signal }, emit) => {
    const send = ordered(emit);
    const exitStatus = await plane.run(
      body,
      by,
      (stream, chunk) => send.push({ stream, base64: Buffer.from(chunk).toString('base64') }),
      signal,
    );
    await send.flushed();
    return { exitStatus };
  },
  releases: ({ query }) => plane.releases(query.service),
  build: async ({ body }, { by, signal }, emit) => {
    const send = ordered(emit);
    const answer = await plane.build(body, by, send.push, signal);
    await send.flushed();
    return answer;
  },
  deployments: ({ query }) => plane.deployments(query),
  deploy: ({ body }, { by }) => plane.deploy(body, by),
  rollback: ({ body }, { by }) => plane.rollback(body, by),
  deployment: ({ params }) => plane.deployment(params.id),
  watch: async ({ params }, { signal }, emit) => {
    for await (const view of plane.watch(params.id, signal)) await emit(view);
    return ENDED;
  },
  operate: ({ params, body }, { by }) => plane.operate(params.id, body, by),
  events: async ({ query }, { signal, lastEventId }, emit) => {
    const { after, ...filter } = query;
    // A client that comes back repeats its query; what it has seen since then counts.
    const seen = lastEventId !== null && /^\d{1,15}$/.test(lastEventId) ? Number(lastEventId) : 0;
    for await (const event of plane.events(Math.max(after, seen), filter, signal)) await emit(event, String(event.seq));
    return ENDED;
  },
  secrets: ({ query }) => plane.secrets(query.environment),
  setSecret: ({ params, body }, { by }) =>
    plane.setSecret(params.environment === '-' ? null : params.environment, params.name, body.value, by),
});

/** Makes a callback of `emit`, keeping the order; `flushed` waits for what has been pushed. */
function ordered<Item>(emit: Emit<Item>): { readonly push: (item: Item) => void; flushed(): Promise<void> } {
  let last: Promise<void> = Promise.resolve();
  return {
    push: (item) => {
      last = last.then(() => emit(item));
    },
    flushed: () => last,
  };
}
