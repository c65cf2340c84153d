// Bundles the server and the command line into dist/. better-sqlite3 and argon2 are native and stay outside.
import { cp, rm } from 'node:fs/promises'
import { build } from 'esbuild'

/** zod carries its messages in fifty languages, of which every start would read all. */
const oneLanguage = {
  name: 'one language',
  setup: ({ onLoad }) =>
    onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js'",
    })),
}

await rm('dist', { recursive: true, force: true })
await build({
  // Node starts the thread that reads for lists by its file (src/db/readingThreads.ts).
  entryPoints: { main: 'src/main.ts', cli: 'src/cli/main.ts', readingWorker: 'src/db/readingWorker.js' },
  outdir: 'dist',
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  sourcemap: true,
  logLevel: 'warning',
  plugins: [oneLanguage],
  external: ['better-sqlite3', '@node-rs/argon2', 'pg-native'],
  banner: {
    js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
  },
})
// Read at run time, beside the bundle as beside the source (src/console/assets.ts).
await cp('src/console/assets', 'dist/assets', { recursive: true })
