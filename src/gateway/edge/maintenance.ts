/** Whether a client would rather read JSON than HTML, by `Accept` (RFC 9110, 12.5.1); without one, or with both, HTML. */
export function prefersJson(accept: string | null): boolean {
  if (accept === null) return false;
  let json = 0;
  let html = 0;
  for (const item of accept.split(',').slice(0, 50)) {
    const [type = '', ...parameters] = item.split(';');
    const name = type.trim().toLowerCase();
    const weight = weightOf(parameters);
    if (name === 'application/json' || name === 'application/problem+json' || name.endsWith('+json')) {
      json = Math.max(json, weight);
    } else if (name === 'text/html' || name === 'application/xhtml+xml' || name === 'text/*') {
      html = Math.max(html, weight);
    }
  }
  return json > html;
}

function weightOf(parameters: readonly string[]): number {
  for (const parameter of parameters) {
    const [name = '', value = ''] = parameter.split('=');
    if (name.trim().toLowerCase() === 'q') return Number.parseFloat(value) || 0;
  }
  return 1;
}

/** The page of a service under maintenance that has none of its own: one document, nothing from elsewhere. */
export const maintenancePage = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Back soon</title>
<style>
:root { color-scheme: light dark; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; font: 1.05rem/1.6 system-ui, sans-serif; }
main { max-width: 32rem; padding: 2rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .75rem; }
p { margin: 0; opacity: .8; }
</style>
</head>
<body>
<main>
<h1>Back soon</h1>
<p>This site is down for maintenance. Nothing is lost; please come back in a little while.</p>
</main>
</body>
</html>
`;
