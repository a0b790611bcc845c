import { readFile } from 'node:fs/promises';

/** This machine's IPv4 routes as Linux lists them; empty where it does not. @see proc_net(5) */
export const readRoutes = (): Promise<string> => readFile('/proc/net/route', 'utf8').catch(() => '');
