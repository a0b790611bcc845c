/** A set of instances of one release. One slot of a service is stable, the other is candidate or empty. */
export type Slot = 'blue' | 'green';

/** Which of two releases served a request. */
export type Arm = 'stable' | 'candidate';

export interface SlotRef {
  readonly environment: string;
  readonly service: string;
  readonly slot: Slot;
}

export const otherSlot = (slot: Slot): Slot => (slot === 'blue' ? 'green' : 'blue');

/** A stable key for maps and folder names: `environment/service/slot`. */
export const slotKey = (ref: SlotRef): string => `${ref.environment}/${ref.service}/${ref.slot}`;
