/** What `veza init` writes: a platform of one service that works as it is. Paths are relative to the project. */
export interface ExampleFile {
  readonly path: string;
  readonly text: string;
}

/**
 * @param name - of the platform
 * @param port - free port of this machine for the gateway
 * @param version - of the product, for package.json
 */
export const exampleFiles = (name: string, port: number, version: string): readonly ExampleFile[] => [
  {
    path: 'veza.config.ts',
    text: `import { definePlatform } from 'veza-deploy';

// Everything that is deployed, declared once. \`veza validate\` checks it; your editor completes it.
export default definePlatform({
  name: '${name}',

  services: {
    hello: {
      // Built from this folder, as it is committed.
      source: 'hello',
      run: 'node server.mjs',
      instances: 2,
      // Answers 2xx when an instance may get traffic.
      health: '/health',
      route: { paths: ['/'] },
      // The new release gets all traffic at once; the old one stays warm, so going back is one router write.
      strategy: { kind: 'blue-green', watch: '10s', keepWarm: '10m' },
      gates: { smoke: ['/health'] },
    },
  },

  environments: {
    development: {
      target: { kind: 'process', listen: '127.0.0.1:${port}' },
    },
  },
});
`,
  },
  {
    path: 'hello/server.mjs',
    text: `import { createServer } from 'node:http';

// Change this text, commit, \`veza deploy\`.
const TEXT = 'Hello, this is version 1.';

const server = createServer((request, response) => {
  if (request.url === '/health') {
    response.writeHead(200, { 'content-type': 'text/plain' }).end('ok\\n');
    return;
  }
  response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' }).end(\`\${TEXT}\\n\`);
});

// The port and the address are given; everything else an instance needs stands in veza.config.ts.
server.listen(Number(process.env.PORT), process.env.HOST, () => console.log(\`listens on \${process.env.PORT}: \${TEXT}\`));

// Asked to stop: finish what is in flight, take nothing new.
process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
`,
  },
  {
    path: '.gitignore',
    text: `node_modules/
# State of Veza Deploy: journal, releases, instances, secrets.
.veza/
`,
  },
  {
    path: 'package.json',
    text: `${JSON.stringify({ name, private: true, type: 'module', devDependencies: { 'veza-deploy': `^${version}` } }, null, 2)}\n`,
  },
];
