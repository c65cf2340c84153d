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

export default defineConfig({
  test: {
    globalSetup: ['test/helpers/postgres.ts'],
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
      { extends: true, ...project('core') },
      { extends: true, ...project('protocols') },
      { extends: true, ...project('flows', { exclude: processes }) },
      { extends: true, ...project('system', { include: processes }) },
      { extends: true, ...project('interop', { ...alone, testTimeout: 300_000 }) },
      { extends: true, ...project('browser', { ...alone, testTimeout: 120_000 }) },
    ],
  },
})
