import type { Theme } from '../case.ts';
import { chunkedCoding } from './chunked-coding.ts';
import { connection } from './connection.ts';
import { contentLength } from './content-length.ts';
import { expectAndUpgrade } from './expect-and-upgrade.ts';
import { floods } from './floods.ts';
import { headerSyntax } from './header-syntax.ts';
import { lengthAndCoding } from './length-and-coding.ts';
import { lineEnds } from './line-ends.ts';
import { methodsAndVersions } from './methods-and-versions.ts';
import { otherProtocols } from './other-protocols.ts';
import { pipelining } from './pipelining.ts';
import { requestLine } from './request-line.ts';
import { targetsAndHosts } from './targets-and-hosts.ts';
import { transferEncoding } from './transfer-encoding.ts';

/** All themes of requests, in the order of the report. */
export const themes: readonly Theme[] = [
  contentLength,
  transferEncoding,
  lengthAndCoding,
  chunkedCoding,
  lineEnds,
  headerSyntax,
  requestLine,
  targetsAndHosts,
  methodsAndVersions,
  connection,
  expectAndUpgrade,
  pipelining,
  floods,
  otherProtocols,
];
