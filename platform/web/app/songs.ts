import type { Speech } from './i18n/language.ts';
import type { MessageKey } from './i18n/messages-en.ts';

/** Languages that are offered for a song; any other tag can still come from elsewhere. `zxx` is "no linguistic content" (ISO 639-2). */
export const SONG_LANGUAGES = ['en', 'fr', 'de', 'es', 'it', 'pt', 'ar', 'zxx'] as const;

const KEYS: Readonly<Record<string, MessageKey>> = {
  en: 'language.en',
  fr: 'language.fr',
  de: 'language.de',
  es: 'language.es',
  it: 'language.it',
  pt: 'language.pt',
  ar: 'language.ar',
  zxx: 'language.none',
};

/** The name of a language in the reader's own. */
export function languageName(tag: string, { t, language }: Speech): string {
  const key = KEYS[tag];
  if (key !== undefined) return t(key);
  try {
    return new Intl.DisplayNames([language], { type: 'language' }).of(tag) ?? tag;
  } catch {
    return tag;
  }
}

export function languageOptions(speech: Speech): readonly (readonly [string, string])[] {
  const { language } = speech;
  return SONG_LANGUAGES.map((tag) => [tag, languageName(tag, speech)] as const).toSorted(
    ([oneTag, one], [otherTag, other]) =>
      Number(oneTag === 'zxx') - Number(otherTag === 'zxx') || one.localeCompare(other, language),
  );
}
