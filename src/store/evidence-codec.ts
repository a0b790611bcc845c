import { deflateSync, inflateSync } from 'node:zlib';

/**
 * What rows have in common, most frequent last: a row of a quiet second is mostly names of fields. It belongs to the format of the
 * file; whoever changes it gives the file another format.
 */
const DICTIONARY = Buffer.from(
  [
    '{"minute":,"observed":60,"errors":{"seconds":60,"total":,"events":0,"squares":0},"clientErrors":0,"latency":[[',
    '],"failures":[{"route":"GET /","status":500,"latencyMs":,"traceId":null,"requestId":null,"instance":"',
    ',"routes":[{"route":"GET /","requests":1,"bad":{"500":1},"latency":[[',
    ',"samples":[{"metric":"journeys","arms":{"stable":{"events":0,"total":1},"candidate":{"events":0,"total":1}}}]',
    ',"mirror":{"pairs":0,"skipped":0,"stableErrors":0,"candidateErrors":0,"statusDiffers":0,"sizeDiffers":0,"shapeDiffers":0,',
    '{"traffic":{"service":"","second":17,"arms":{"stable":{"requests":0,"serverErrors":0,"gatewayErrors":0,"clientErrors":0,"latency":[],"waiting":[]}',
    ',"candidate":{"requests":0,"serverErrors":0,"gatewayErrors":0,"clientErrors":0,"latency":[]}}},"weight":5,"phase":"watching","phase":"stepping","step":0}',
  ].join(''),
);

/** A value as a row keeps it: JSON, compressed. */
export const pack = (value: unknown): Uint8Array =>
  deflateSync(Buffer.from(JSON.stringify(value)), { dictionary: DICTIONARY });

/** @throws Error when the bytes are not what `pack` made: they carry a checksum */
export const unpack = (bytes: Uint8Array): unknown =>
  JSON.parse(inflateSync(bytes, { dictionary: DICTIONARY }).toString());
