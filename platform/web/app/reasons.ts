import type { Speech } from './i18n/language.ts';
import { en, type MessageKey } from './i18n/messages-en.ts';

/** Why a track is suggested, in the reader's language; a rule that this page does not know yet is named as the service does. */
export function reasonText(reason: string, { t }: Speech): string {
  const key = `reason.${reason}`;
  return Object.hasOwn(en, key) ? t(key as MessageKey) : reason;
}
