import type { SlotRef } from '../core/slot.ts';
import type { Environment } from '../core/spec/platform.ts';
import { Front, type FrontParts } from './front.ts';
import type { SimulatedInstance } from './instance.ts';
import { Link, type LinkParts } from './link.ts';
import { Machine, type MachineParts } from './machine.ts';

/** One environment of the simulated world: what runs, what users reach, and the ways there. */
export interface Place {
  readonly declared: Environment;
  readonly machine: Machine;
  readonly front: Front;
  readonly toMachine: Link;
  readonly toFront: Link;
  /** Everything else that is asked over a wire: secrets, migrations, smoke tests. */
  readonly toOthers: Link;
}

export interface PlaceParts extends LinkParts {
  readonly behaviour: MachineParts['behaviour'];
  readonly onDesire: MachineParts['onDesire'];
  readonly onStop: (instance: SimulatedInstance) => void;
  readonly onChange: (ref: SlotRef) => void;
  readonly onWrite: (environment: string, ...args: Parameters<FrontParts['onWrite']>) => void;
}

export function buildPlace(declared: Environment, parts: PlaceParts): Place {
  const { timeline, report } = parts;
  const environment = declared.name;
  const random = parts.random.fork(environment);
  const machine = new Machine({
    environment,
    timeline,
    report,
    random: random.fork('machine'),
    behaviour: parts.behaviour,
    onDesire: parts.onDesire,
    onStop: parts.onStop,
    onChange: parts.onChange,
  });
  const front = new Front({
    environment,
    timeline,
    report,
    random: random.fork('front'),
    instance: (id) => machine.instance(id),
    onWrite: (...args) => parts.onWrite(environment, ...args),
  });
  const link = (name: string): Link => new Link(`${environment} ${name}`, { ...parts, random: random.fork(name) });
  return {
    declared,
    machine,
    front,
    toMachine: link('runtime'),
    toFront: link('router'),
    toOthers: link('others'),
  };
}
