import { en, type MessageKey, type Messages } from './messages-en.ts';

export const LANGUAGES = ['en', 'fr'] as const;
export type Language = (typeof LANGUAGES)[number];

const STORED = 'veza.language';

/** English comes with the app, French when it is asked for. */
async function messagesOf(language: Language): Promise<Messages> {
  if (language === 'en') return en;
  return (await import('./messages-fr.ts')).fr;
}

/** The first of the browser's languages that the app speaks; English if none. */
export function preferred(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const found = LANGUAGES.find((language) => preferredIs(tag, language));
    if (found !== undefined) return found;
  }
  return 'en';
}

function preferredIs(tag: string, language: Language): boolean {
  return tag.toLowerCase().split('-')[0] === language;
}

type Values = Readonly<Record<string, string | number>>;

/** Fills `{name}` in; numbers as the language writes them. */
export function fill(text: string, values: Values, language: Language): string {
  return text.replaceAll(/\{([a-zA-Z]+)\}/g, (whole, name: string) => {
    const value = values[name];
    if (value === undefined) return whole;
    return typeof value === 'number' ? new Intl.NumberFormat(language).format(value) : value;
  });
}

export type PluralStem = { [Key in MessageKey]: Key extends `${infer Stem}.other` ? Stem : never }[MessageKey] &
  { [Key in MessageKey]: Key extends `${infer Stem}.one` ? Stem : never }[MessageKey];

/** Everything that is said or written differently in another language. */
export interface Speech {
  readonly language: Language;
  readonly t: (key: MessageKey, values?: Values) => string;
  /** One or many, by the rules of the language. */
  readonly count: (stem: PluralStem, n: number) => string;
  /** `3:07`, `1:02:03`. */
  readonly duration: (ms: number) => string;
  /** Bytes in units of 1000, as people say them. */
  readonly size: (bytes: number) => string;
  readonly day: (iso: string) => string;
  /** Of today: the time; else the day, too. */
  readonly moment: (iso: string) => string;
  /** With its sign and two decimals. */
  readonly points: (points: number) => string;
  readonly wait: (ms: number) => string;
}

/** @param locale how numbers and dates are written: the language, as spoken where the reader is */
export function speech(language: Language, messages: Messages, locale: string = language): Speech {
  const plural = new Intl.PluralRules(language);
  const t = (key: MessageKey, values: Values = {}): string => fill(messages[key], values, language);
  return {
    language,
    t,
    count: (stem, n) => t(`${stem}.${plural.select(n) === 'one' ? 'one' : 'other'}`, { n }),
    duration,
    size(bytes) {
      const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte'] as const;
      const step = Math.min(units.length - 1, bytes < 1000 ? 0 : Math.floor(Math.log10(bytes) / 3));
      const value = bytes / 1000 ** step;
      return new Intl.NumberFormat(locale, {
        style: 'unit',
        unit: units[step] ?? 'byte',
        unitDisplay: 'short',
        maximumFractionDigits: step > 1 && value < 100 ? 1 : 0,
        roundingMode: 'floor',
      }).format(value);
    },
    day: (iso) => new Intl.DateTimeFormat(locale, { dateStyle: 'medium' }).format(new Date(iso)),
    moment(iso) {
      const date = new Date(iso);
      const isToday = date.toDateString() === new Date().toDateString();
      return new Intl.DateTimeFormat(locale, {
        timeStyle: 'short',
        ...(isToday ? {} : { dateStyle: 'medium' }),
      }).format(date);
    },
    points: (points) =>
      new Intl.NumberFormat(locale, { signDisplay: 'exceptZero', minimumFractionDigits: 2 }).format(points),
    wait(ms) {
      const seconds = Math.max(1, Math.ceil(ms / 1000));
      const [value, unit] =
        seconds < 100 ? ([seconds, 'second'] as const) : ([Math.ceil(seconds / 60), 'minute'] as const);
      return new Intl.NumberFormat(language, { style: 'unit', unit, unitDisplay: 'long' }).format(value);
    },
  };
}

function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const parts = [Math.floor(seconds / 60) % 60, seconds % 60].map((part) => String(part).padStart(2, '0'));
  const hours = Math.floor(seconds / 3600);
  return hours > 0 ? `${hours}:${parts.join(':')}` : parts.join(':').replace(/^0/, '');
}

/** The language of the moment; changed by the reader, kept for the next visit. */
export class LanguageChoice {
  readonly #listeners = new Set<() => void>();
  readonly #storage: Pick<Storage, 'getItem' | 'setItem'>;
  #speech = speech('en', en);
  #wanted: readonly string[] = [];

  constructor(storage: Pick<Storage, 'getItem' | 'setItem'>) {
    this.#storage = storage;
  }

  get speech(): Speech {
    return this.#speech;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Takes what was chosen before, or what the browser asks for. */
  async start(wanted: readonly string[]): Promise<void> {
    this.#wanted = wanted;
    const stored = this.#storage.getItem(STORED);
    await this.#use(LANGUAGES.find((language) => language === stored) ?? preferred(wanted));
  }

  async choose(language: Language): Promise<void> {
    await this.#use(language);
    this.#storage.setItem(STORED, language);
  }

  async #use(language: Language): Promise<void> {
    const locale = this.#wanted.find((tag) => preferredIs(tag, language)) ?? language;
    this.#speech = speech(language, await messagesOf(language), locale);
    for (const listener of this.#listeners) listener();
  }
}
