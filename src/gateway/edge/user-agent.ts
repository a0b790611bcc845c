/** Families of programs, the more special first: nearly every browser says that it is several others, too. */
const families: readonly (readonly [RegExp, string])[] = [
  [/\bEdgA?\/(\d{1,4})/, 'Edge'],
  [/\bEdgiOS\/(\d{1,4})/, 'Edge'],
  [/\bOPR\/(\d{1,4})/, 'Opera'],
  [/\bSamsungBrowser\/(\d{1,4})/, 'Samsung Internet'],
  [/\bFirefox\/(\d{1,4})/, 'Firefox'],
  [/\bFxiOS\/(\d{1,4})/, 'Firefox'],
  [/\bCriOS\/(\d{1,4})/, 'Chrome'],
  [
    /\b(?:Googlebot|bingbot|DuckDuckBot|YandexBot|Baiduspider|Applebot|facebookexternalhit|Slackbot|Twitterbot|GPTBot|AhrefsBot|SemrushBot)\b/i,
    'bot',
  ],
  [/\b(?:bot|crawler|spider)\b/i, 'bot'],
  [/\bHeadlessChrome\/(\d{1,4})/, 'Chrome headless'],
  [/\bChrome\/(\d{1,4})/, 'Chrome'],
  [/\bVersion\/(\d{1,4})[.\d]* (?:Mobile\/\S+ )?Safari\//, 'Safari'],
  [/^curl\/(\d{1,4})/, 'curl'],
  [/^Wget\/(\d{1,4})/, 'Wget'],
  [/^Go-http-client\/(\d{1,4})/, 'Go'],
  [/^python-requests\/(\d{1,4})/, 'Python requests'],
  [/^Python-urllib\/(\d{1,4})/, 'Python urllib'],
  [/^(?:node|undici)\b/, 'Node'],
  [/^node-fetch\/(\d{1,4})/, 'Node'],
  [/^axios\/(\d{1,4})/, 'axios'],
  [/^okhttp\/(\d{1,4})/, 'okhttp'],
  [/^Java\/(\d{1,4})/, 'Java'],
  [/^Apache-HttpClient\/(\d{1,4})/, 'Apache HttpClient'],
  [/^npm\/(\d{1,4})/, 'npm'],
  [/^PostmanRuntime\/(\d{1,4})/, 'Postman'],
  [/^veza-load\b/, 'veza-load'],
];

const known = new Map<string, string>();
const mostKnown = 512;

/** Family and major version of a program, from a fixed list: enough to see that a release breaks Safari 17, too little to know anybody by. */
export function programFamily(userAgent: string | null): string {
  if (userAgent === null || userAgent === '') return 'none';
  const found = known.get(userAgent);
  if (found !== undefined) return found;
  const family = classify(userAgent.slice(0, 512));
  if (known.size >= mostKnown) known.clear();
  if (userAgent.length <= 512) known.set(userAgent, family);
  return family;
}

function classify(userAgent: string): string {
  for (const [shape, family] of families) {
    const match = shape.exec(userAgent);
    if (match !== null) return match[1] === undefined ? family : `${family} ${Number(match[1])}`;
  }
  return 'other';
}
