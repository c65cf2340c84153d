import { defineConfig } from 'vitest/config'

const project = (name: string, extra: Record<string, unknown> = {}) => ({
  test: { name, include: [`test/${name}/**/*.test.{ts,tsx}`], ...extra },
})

/** Each file in a process of its own, one after the other: programs of others have ports and folders that are not ours to choose. */
const alone = { isolate: true, fileParallelism: false }

/** The bundled program as processes: they cost seconds where the rest costs milliseconds. */
const processes = [
  'test/flows/cli*.test.ts',
  'test/flows/lists.test.ts',
  'test/flows/crl-folder.test.ts',
  'test/faults/**/*.test.ts',
]

/** Every operation by everybody, long walks at random, many RSA keys, floods, outages that are sat out: each takes ten seconds and more. */
const exhaustive = [
  'test/protocols/authorization*.test.ts',
  'test/protocols/console-attack-strangers.test.ts',
  'test/flows/acme-model.test.ts',
  'test/core/message-key.test.ts',
  'test/core/crl-rest.test.ts',
  'test/core/discovery-hostile.test.ts',
  'test/core/database/failover.test.ts',
  'test/flows/database-outage.test.ts',
  'test/protocols/acme-retry.test.ts',
  'test/protocols/console-attack-live.test.ts',
]

export default defineConfig({
  test: {
    globalSetup: ['test/helpers/postgres.ts'],
    setupFiles: ['test/helpers/stuck.ts'],
    // Two cores; by default one would stay free.
    maxWorkers: 2,
    // A worker imports src/ once and not for each file: docs/tests.md says what that asks of a test.
    isolate: false,
    // What the projects compile they share, and so does the next run; by content, in node_modules.
    experimental: { fsModuleCache: true },
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      { extends: true, ...project('unit') },
      { extends: true, ...project('core', { exclude: exhaustive }) },
      { extends: true, ...project('protocols', { exclude: exhaustive }) },
      { extends: true, ...project('flows', { exclude: [...processes, ...exhaustive] }) },
      { extends: true, ...project('exhaustive', { include: exhaustive }) },
      { extends: true, ...project('system', { include: processes, globalSetup: ['test/helpers/everyVerb.ts'] }) },
      { extends: true, ...project('interop', { ...alone, testTimeout: 300_000 }) },
      { extends: true, ...project('browser', { ...alone, testTimeout: 120_000 }) },
    ],
  },
})
