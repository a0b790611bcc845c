import { createHash } from 'node:crypto';
import { readText } from './body.ts';
import { behaviour, instance, sendJson, serve } from './chassis.ts';

// The worker computes checksums. Nobody calls it but the api, at its internal address.
serve({
  name: 'worker',
  async handle({ method, url, incoming, response }) {
    if (method !== 'POST' || url.pathname !== '/checksum') return false;
    const checksum = createHash('sha256')
      .update(await readText(incoming))
      .digest('hex');
    sendJson(response, 200, { checksum, version: behaviour.version, instance });
    return true;
  },
});
