import type { Deferred, Holding, Kept } from './decide.ts';
import { migrationFile } from './kinds.ts';

/** `12:03:04 UTC` */
const clock = (time: number): string => `${new Date(time).toISOString().slice(11, 19)} UTC`;

/** Why a release can get traffic, and when that ends. */
export function holdingInWords({ release, service, environment, role, slot, deployment, until }: Holding): string {
  const who = `${release} of ${service} in ${environment}`;
  const where = slot === null ? '' : ` (${slot})`;
  switch (role) {
    case 'live':
      return `${who}${where}, which is live, until another release replaces it`;
    case 'candidate':
      return `${who}${where}, the candidate of ${deployment ?? 'a deployment'}, until that ends`;
    case 'queued':
      return `${who}, queued as ${deployment ?? 'a deployment'}, until that ends`;
    case 'warm': {
      const end = until === null ? 'until it is stopped' : `until ${clock(until)}`;
      return `${who}${where}, kept warm${deployment === null ? '' : ` by ${deployment}`} ${end}`;
    }
    case 'rollback':
      return `${who}, which \`veza rollback\` would go back to, until another release has been deployed`;
  }
}

const listed = (texts: readonly string[]): string => [...new Set(texts)].join('; ');

const unreadable = ({ files }: Holding): string => (files === null ? ' (its migrations cannot be read any more)' : '');

export function deferredInWords({ contract, neededBy, after }: Deferred): string {
  const parts = [
    ...(neededBy.length === 0
      ? []
      : [`what it takes away is needed by ${listed(neededBy.map((one) => holdingInWords(one) + unreadable(one)))}`]),
    ...(after.length === 0 ? [] : [`${after.map(migrationFile).join(' and ')} must be applied first`]),
  ];
  return `${migrationFile(contract)}: ${parts.join('; ')}`;
}

export function keptInWords({ migration, usedBy, why }: Kept): string {
  const parts = [
    ...(usedBy.length === 0 ? [] : [`used by ${listed(usedBy.map((one) => holdingInWords(one) + unreadable(one)))}`]),
    ...(why === null ? [] : [`cannot be taken back: ${why}`]),
  ];
  return `${migrationFile(migration)}: ${parts.join('; ')}`;
}
