import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { precompress } from './bundle/precompress.ts';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Builds the app into `dist/web/public`: hashed assets beside their Brotli and gzip forms, nothing inline, no source map. */
export default defineConfig({
  root: at('app/'),
  publicDir: false,
  cacheDir: at('../node_modules/.vite'),
  plugins: [react(), precompress()],
  build: {
    outDir: at('../dist/web/public/'),
    emptyOutDir: true,
    // A data: URL would need a hole in the content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: [at('app/index.html'), at('app/not-found.html')] },
  },
});
