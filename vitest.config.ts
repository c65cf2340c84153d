import { defineConfig } from 'vitest/config'

const project = (name: string, extra: Record<string, unknown> = {}) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], ...extra },
})

export default defineConfig({
  test: {
    globalSetup: ['test/helpers/postgres.ts'],
    // Two cores; by default one would stay free.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      { extends: true, ...project('unit') },
      { extends: true, ...project('core') },
      { extends: true, ...project('protocols') },
      { extends: true, ...project('flows') },
      { extends: true, ...project('faults', { fileParallelism: false }) },
      { extends: true, ...project('interop', { fileParallelism: false, testTimeout: 300_000 }) },
    ],
  },
})
