// A program that nobody here wrote, as it comes from npm: the package registry Verdaccio. What each line is for, and what
// was learned, is in docs/foreign-programs.md.
import { definePlatform } from 'veza-deploy';

export default definePlatform({
  name: 'packages',

  services: {
    registry: {
      // A folder with a manifest that names one version of Verdaccio, its lock file, and Verdaccio's own configuration.
      source: 'registry',
      build: 'npm ci --omit=dev --no-audit --no-fund --prefer-offline --ignore-scripts',
      // It does not read PORT, so it is told where to listen.
      run: 'node node_modules/verdaccio/bin/verdaccio --config config.yaml --listen {HOST}:{PORT}',
      // What is published must outlive releases, and both slots serve it while one takes over from the other.
      data: 'shared',
      environment: { VERDACCIO_STORAGE_PATH: '{DATA}' },
      // Verdaccio's own storage on disk is made for one process; a deployment has two for a short while.
      instances: 1,
      health: { path: '/-/ping', stableFor: '500ms' },
      // Paths of probes are kept from users; `npm ping` asks for this one.
      expose: ['/-/ping'],
      route: {
        paths: ['/'],
        // npm keeps no cookies, and both releases serve the same storage.
        sticky: false,
      },
      strategy: { kind: 'canary', steps: [10, 50], hold: '5s', holdback: 0, watch: '10s', keepWarm: '5m' },
      gates: { smoke: ['/-/ping'] },
    },
  },

  environments: {
    development: {
      target: { kind: 'process', listen: '127.0.0.1:4873' },
    },
  },
});
