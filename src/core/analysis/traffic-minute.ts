import type { ArmSecond, LatencyCounts } from '../traffic.ts';
import { addMoments, addSecond, noMoments, type EventMoments } from './dispersion.ts';
import { mergeLatencies } from './histogram.ts';

/** What one arm did in one minute: what is kept of a week, and what a judge wants to know of the past. */
export interface TrafficMinute {
  /** UTC minutes. */
  readonly minute: number;
  /** Seconds that were observed, with or without traffic. */
  readonly observed: number;
  readonly errors: EventMoments;
  readonly clientErrors: number;
  readonly latency: LatencyCounts;
}

/** 5xx answers, and requests that no instance answered. */
export const errorsOf = (arm: ArmSecond): number => arm.serverErrors + arm.gatewayErrors;

/** All seconds of one minute; they need not be all that the minute has. */
export function minuteOf(minute: number, seconds: readonly ArmSecond[]): TrafficMinute {
  return {
    minute,
    observed: seconds.length,
    errors: seconds.reduce((moments, arm) => addSecond(moments, arm.requests, errorsOf(arm)), noMoments),
    clientErrors: seconds.reduce((sum, arm) => sum + arm.clientErrors, 0),
    latency: mergeLatencies(seconds.map((arm) => arm.latency)),
  };
}

/** Two parts of the same minute, or two arms of one service. */
export const addMinutes = (a: TrafficMinute, b: TrafficMinute): TrafficMinute => ({
  minute: a.minute,
  observed: Math.max(a.observed, b.observed),
  errors: addMoments(a.errors, b.errors),
  clientErrors: a.clientErrors + b.clientErrors,
  latency: mergeLatencies([a.latency, b.latency]),
});
