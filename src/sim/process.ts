/** Thrown where a simulated process dies: nothing that it does afterwards reaches the world. */
export class Death extends Error {
  constructor(why: string) {
    super(`simulated: ${why}`);
    this.name = 'Death';
  }
}

/** The other side could not be asked, or did not answer in time. */
export class SimulatedOutage extends Error {
  constructor(what: string) {
    super(`${what} cannot be reached`);
    this.name = 'SimulatedOutage';
  }
}

/** A process that makes calls; when it is dead nobody hears it and it hears nobody. */
export interface Process {
  readonly name: string;
  readonly epoch: number;
  readonly alive: boolean;
}
