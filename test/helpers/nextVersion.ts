import { randomUUID } from 'node:crypto'
import { cpSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build, type Plugin } from 'esbuild'
import { root } from './bundle.ts'

/** The program as it is, bundled with further migrations: the version that comes next. */
export interface NextVersion {
  folder: string
  remove(): void
}

/** `migrations`: their source by name, each the text of a Migration, for which `sql` and `contracting` are there. */
export async function bundleNextVersion(migrations: Record<string, string>): Promise<NextVersion> {
  // Below node_modules, where the packages that stay outside are found.
  const folder = join(root, 'node_modules', `.countersign-next-${randomUUID()}`)
  await build({
    absWorkingDir: root,
    entryPoints: { main: 'src/main.ts', cli: 'src/cli/main.ts', readingWorker: 'src/db/readingWorker.js' },
    outdir: folder,
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error',
    plugins: [withMigrations(migrations)],
    external: ['better-sqlite3', '@node-rs/argon2', 'pg-native'],
    banner: {
      js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
    },
  })
  cpSync(join(root, 'src/console/assets'), join(folder, 'assets'), { recursive: true })
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

const withMigrations = (migrations: Record<string, string>): Plugin => ({
  name: 'further migrations',
  setup: ({ onLoad }) =>
    onLoad({ filter: /[\\/]migrations[\\/]index\.ts$/ }, ({ path }) => {
      const entries = Object.entries(migrations).map(([name, text]) => `migrations['${name}'] = ${text}`)
      const imports = "import { sql } from 'kysely'\nimport { contracting } from './columns.ts'"
      return { contents: `${imports}\n${readFileSync(path, 'utf8')}\n${entries.join('\n')}\n`, loader: 'ts' }
    }),
})
