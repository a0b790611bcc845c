interface Answering {
  readonly version: string;
  readonly instance: string;
}

/** The page a person sees: which release of each service answered just now. */
export function page(web: Answering, chain: { readonly api: Answering; readonly worker: Answering } | null): string {
  const row = (name: string, answering: Answering | undefined) =>
    `<tr><th>${name}</th><td class="version">${escape(answering?.version ?? 'no answer')}</td><td>${escape(answering?.instance ?? '')}</td></tr>`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="1">
<title>Demo platform: ${escape(web.version)}</title>
<style>
  body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 4rem auto; padding: 0 1rem; color: #1c2330; }
  table { border-collapse: collapse; width: 100%; }
  th, td { text-align: left; padding: .4rem .6rem; border-bottom: 1px solid #d7dce5; }
  .version { font-weight: 700; font-size: 1.6rem; color: #0b6e4f; }
</style>
</head>
<body>
<h1>Who answered</h1>
<p>One request, from web through api to worker. The page asks again every second.</p>
<table>
<tr><th>Service</th><th>Release</th><th>Instance</th></tr>
${row('web', web)}
${row('api', chain?.api)}
${row('worker', chain?.worker)}
</table>
</body>
</html>
`;
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
