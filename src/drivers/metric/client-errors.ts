import type { Analysis } from '../../core/spec/platform.ts';
import type { ArmSecond, MetricCount, MetricSample, TrafficSecond } from '../../core/traffic.ts';

type Declared = Pick<Analysis, 'metrics' | 'sources'>;

/**
 * The second with samples of all metrics whose source is `client-errors`: the router has counted them with everything else, so that nobody
 * needs to be asked, and events and total are of the same second.
 */
export function withClientErrors({ metrics, sources }: Declared, second: TrafficSecond): TrafficSecond {
  const samples = metrics
    .filter(({ name }) => sources[name]?.kind === 'client-errors')
    .map(({ name, kind }): MetricSample => {
      const countOf = kind === 'limit' ? shareOf : eventsOf;
      return {
        metric: name,
        arms: { stable: countOf(second.arms.stable), candidate: countOf(second.arms.candidate) },
      };
    });
  return samples.length === 0 ? second : { ...second, samples: [...(second.samples ?? []), ...samples] };
}

const eventsOf = ({ clientErrors, requests }: ArmSecond): MetricCount => ({ events: clientErrors, total: requests });

/** A limit is on the share of a second, from 0 to 1; of no requests there is none. */
const shareOf = ({ clientErrors, requests }: ArmSecond): MetricCount | null =>
  requests === 0 ? null : { events: clientErrors / requests, total: null };
