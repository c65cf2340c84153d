import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'

/** Of the project; ends in /. */
export const root = fileURLToPath(new URL('../../', import.meta.url))

const outputs = ['dist/main.js', 'dist/cli.js']
const sources = ['src', 'protocols', 'migrations', 'build.mjs', 'package-lock.json']
const lock = join(root, 'node_modules', '.countersign-bundle')
const PATIENCE = 60_000

let ready: Promise<void> | undefined

/** Makes dist/ new where the sources have changed since; test files that run side by side wait for one another. */
export function ensureBundle(): Promise<void> {
  ready ??= makeBundle()
  return ready
}

export interface BundledProgram {
  path: string
  remove(): void
}

/** Bundles a program of the tests, so that each start of it loads one file and not all of src/ through a compiler. */
export async function bundleProgram(entry: URL): Promise<BundledProgram> {
  // Below node_modules, where the packages that stay outside are found.
  const path = join(root, 'node_modules', `.countersign-${randomUUID()}.mjs`)
  await build({
    entryPoints: [fileURLToPath(entry)],
    outfile: path,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: ['better-sqlite3', '@node-rs/argon2', 'pg-native', 'vitest'],
    banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
  })
  return { path, remove: () => rmSync(path) }
}

async function makeBundle(): Promise<void> {
  const until = Date.now() + PATIENCE
  while (!fresh()) {
    if (takeLock()) {
      try {
        if (!fresh()) await promisify(execFile)(process.execPath, ['build.mjs'], { cwd: root, timeout: PATIENCE })
      } finally {
        rmSync(lock, { recursive: true, force: true })
      }
      return
    }
    if (Date.now() > until) throw new Error(`another process has been making the bundle for too long (${lock})`)
    await delay(50)
  }
}

function fresh(): boolean {
  const made = outputs.map((file) => changed(join(root, file)))
  const newest = Math.max(...sources.map((source) => changed(join(root, source))))
  return made.every((time) => time > newest)
}

/** Milliseconds; of a folder, the newest of what is in it. 0 where there is nothing. */
function changed(path: string): number {
  const entry = statSync(path, { throwIfNoEntry: false })
  if (!entry?.isDirectory()) return entry?.mtimeMs ?? 0
  const inside = readdirSync(path, { recursive: true, encoding: 'utf8' })
  return Math.max(0, ...inside.map((name) => statSync(join(path, name), { throwIfNoEntry: false })?.mtimeMs ?? 0))
}

/** A lock whose holder is gone is taken over. */
function takeLock(): boolean {
  const holder = join(lock, 'pid')
  try {
    mkdirSync(lock)
    writeFileSync(holder, String(process.pid))
    return true
  } catch {
    if (abandoned(holder)) rmSync(lock, { recursive: true, force: true })
    return false
  }
}

function abandoned(holder: string): boolean {
  try {
    process.kill(Number(readFileSync(holder, 'utf8')), 0)
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH'
  }
}
