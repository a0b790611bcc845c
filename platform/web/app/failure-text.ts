import type { Failure } from './failure.ts';
import { isPassing } from './failure.ts';
import type { Speech } from './i18n/language.ts';
import { en, type MessageKey } from './i18n/messages-en.ts';

/** What to tell a person about a failure, in their language. */
export function failureText(failure: Failure, { t, wait }: Speech): string {
  if (failure.status === 429 && failure.retryAfterMs !== null) {
    return t('failure.tooMany', { wait: wait(failure.retryAfterMs) });
  }
  const key = `failure.${failure.code}`;
  if (isKey(key)) return t(key);
  if (isPassing(failure)) return t('failure.passing');
  if (failure.status === 404) return t('failure.not-found');
  if (failure.status === 403) return t('failure.forbidden');
  if (failure.status === 413) return t('failure.too-large');
  return t('failure.other', { code: failure.code });
}

function isKey(key: string): key is MessageKey {
  return Object.hasOwn(en, key);
}
