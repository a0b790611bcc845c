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
  up: ({ body }, _caller, emit) => inOrder(emit, (push) => plane.up(body, push)),
  down: ({ body }, { by }, emit) => inOrder(emit, (push) => plane.down(body, by, push)),
  status: ({ query }) => plane.status(query.environment),
  gateway: ({ query }) => plane.gateway(query.environment),
  upgradeGateway: ({ body }, _caller, emit) => inOrder(emit, (push) => plane.upgradeGateway(body.environment, push)),
  renewCertificates: ({ body }, _caller, emit) =>
    inOrder(emit, (push) => plane.renewCertificates(body.environment, body.host, push)),
  logs: async ({ query }, { signal }, emit) => {
    for await (const line of plane.logs(query, signal)) await emit(line);
    return ENDED;
  },
  run: async ({ body }, { by, signal }, emit) => {
    const exitStatus = await inOrder(emit, (push) =>
      plane.run(body, by, (stream, chunk) => push({ stream, base64: Buffer.from(chunk).toString('base64') }), signal),
    );
    return { exitStatus };
  },
  removeService: ({ body }, { by, signal }, emit) =>
    inOrder(emit, (push) => plane.removeService(body, by, push, signal)),
  releases: ({ query }) => plane.releases(query.service),
  build: ({ body }, { by, signal }, emit) => inOrder(emit, (push) => plane.build(body, by, push, signal)),
  scanImages: ({ body }, { signal }, emit) => inOrder(emit, (push) => plane.scanImages(body, push, signal)),
  pushImages: ({ body }, { signal }, emit) => inOrder(emit, (push) => plane.pushImages(body, push, signal)),
  pinImage: ({ body }, { signal }) => plane.pinImage(body, signal),
  verifyImage: ({ body }, { signal }) => plane.verifyImage(body, signal),
  deployments: ({ query }) => plane.deployments(query),
  deploy: ({ body }, { by }) => plane.deploy(body, by),
  rollback: ({ body }, { by }) => plane.rollback(body, by),
  deployment: ({ params }) => plane.deployment(params.id),
  forecast: ({ params, body }, { signal }) =>
    plane.forecast(params.environment === '-' ? null : params.environment, body, signal),
  evidence: ({ params }) => plane.evidence(params.id),
  explanation: ({ params }, { signal }) => plane.explanation(params.id, signal),
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
  maintenance: ({ params, body }, { by }) =>
    plane.maintenance(params.environment === '-' ? null : params.environment, params.service, body, by),
  migrations: ({ query }, { signal }) => plane.migrations(query.environment, query.service, signal),
  contractMigrations: ({ body }, { by, signal }, emit) =>
    inOrder(emit, (push) => plane.contractMigrations(body, by, push, signal)),
  undoMigrations: ({ body }, { by, signal }, emit) =>
    inOrder(emit, (push) => plane.undoMigrations(body, by, push, signal)),
  secrets: ({ query }) => plane.secrets(query.environment),
  setSecret: ({ params, body }, { by }) =>
    plane.setSecret(params.environment === '-' ? null : params.environment, params.name, body.value, by),
});

/** Gives the work a callback for its items, and ends when the work and the last item are through, failed or not. */
async function inOrder<Item, Answer>(
  emit: Emit<Item>,
  work: (push: (item: Item) => void) => Promise<Answer>,
): Promise<Answer> {
  let last: Promise<void> = Promise.resolve();
  try {
    return await work((item) => {
      last = last.then(() => emit(item));
    });
  } finally {
    await last;
  }
}
