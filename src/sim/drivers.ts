import type { SlotRef } from '../core/slot.ts';
import { slotKey } from '../core/slot.ts';
import type { Router } from '../drivers/router/router.ts';
import type { Runtime } from '../drivers/runtime/runtime.ts';
import type { Front } from './front.ts';
import type { Link } from './link.ts';
import type { Machine } from './machine.ts';
import type { Process } from './process.ts';

/** One control plane's handle on the machine; it speaks under that control plane's lease. */
export function runtimeOver(link: Link, machine: Machine, process: Process): Runtime {
  let sent = 0;
  const order = () => {
    sent += 1;
    return { epoch: process.epoch, number: sent };
  };
  return {
    machine: '127.0.0.1',
    limitations: async () => [],
    reserve: (desire, count, signal) =>
      link.call(process, `reserve ${count} for ${desire.release}`, signal, () => undefined),
    apply(desire, signal) {
      const mine = order();
      const what = `apply ${slotKey(desire.ref)} ${desire.instances} of ${desire.release}`;
      return link.call(process, what, signal, () => machine.apply(mine, desire));
    },
    remove(ref: SlotRef, signal) {
      const mine = order();
      return link.call(process, `remove ${slotKey(ref)}`, signal, () => machine.remove(mine, ref));
    },
    observe: (signal) => link.call(process, 'observe', signal, () => machine.observe()),
    subscribe: (listener) => machine.subscribe(process, listener),
    async *logs() {
      // Nobody reads logs here.
    },
    run: async () => 0,
    dismantle: async () => undefined,
    close: async () => undefined,
  };
}

export function routerOver(link: Link, front: Front, process: Process): Router {
  return {
    write: (stamp, entry, signal) =>
      link.call(process, `write ${entry.service} ${stamp.epoch}.${stamp.version}`, signal, () =>
        front.write(stamp, entry),
      ),
    remove: (stamp, service, signal) =>
      link.call(process, `remove ${service} ${stamp.epoch}.${stamp.version}`, signal, () =>
        front.remove(stamp, service),
      ),
    observe: (signal) => link.call(process, 'observe', signal, () => front.routes()),
    drain: (service, instances, drainMs, signal) =>
      link.call(process, `drain ${service}`, signal, () => front.drain(service, instances, drainMs)),
    traffic: (service, afterSecond, signal) =>
      link.call(process, `traffic ${service}`, signal, () => front.traffic(service, afterSecond)),
    close: async () => undefined,
  };
}
