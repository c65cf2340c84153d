import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { DatabaseHeld, hold, untilFree } from '../../../src/db/hold.ts'
import { closeDatabase, openAlone, openDatabase } from '../../../src/db/open.ts'
import { transaction } from '../../../src/db/transaction.ts'
import { bundleProgram } from '../../helpers/bundle.ts'

interface Other {
  child: ChildProcessByStdio<Writable, Readable, null>
  /** What it says when it has tried. */
  tries(): Promise<string>
}

describe('the hold on a file', () => {
  let program: Awaited<ReturnType<typeof bundleProgram>>
  let folder: string
  let file: string
  const others: Other[] = []
  beforeAll(async () => {
    program = await bundleProgram(new URL('../../helpers/holdProcess.ts', import.meta.url))
  })
  afterAll(() => program.remove())
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'countersign-hold-'))
    file = join(folder, 'a.sqlite')
  })
  afterEach(async () => {
    for (const { child } of others.splice(0)) if (child.exitCode === null && child.signalCode === null) await end(child)
    rmSync(folder, { recursive: true })
  })

  async function end(child: Other['child']): Promise<void> {
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }

  async function startOther(path = file): Promise<Other> {
    const child = spawn(process.execPath, [program.path, path], { stdio: ['pipe', 'pipe', 'inherit'] })
    const lines: Interface = createInterface(child.stdout)
    const next = async () => String((await once(lines, 'line'))[0])
    const other = {
      child,
      tries: () => {
        const said = next()
        child.stdin.write('go\n')
        return said
      },
    }
    others.push(other)
    expect(await next()).toBe('ready')
    return other
  }

  it('is one process’s, until that ends, however it ends', async () => {
    const [one, two] = [await startOther(), await startOther()]
    expect(await one.tries()).toBe('held')
    expect(await two.tries()).toBe('DatabaseHeld')
    expect(() => hold(file)).toThrow(DatabaseHeld)
    expect(statSync(`${file}-lock`).mode & 0o777).toBe(0o600)
    await end(one.child)
    expect(await two.tries()).toBe('held')
    expect(readdirSync(folder)).toEqual(['a.sqlite-lock'])
  })

  it('is one’s of many that try at the same time, as soon as it is free', async () => {
    const all = await Promise.all(Array.from({ length: 6 }, () => startOther()))
    const mine = hold(file)
    expect(new Set(await Promise.all(all.map(({ tries }) => tries())))).toEqual(new Set(['DatabaseHeld']))
    mine.release()
    const until = Date.now() + 20_000
    let held: Other | undefined
    // Each may stand in the other's way for a moment.
    while (!held && Date.now() < until) {
      const said = await Promise.all(all.map(({ tries }) => tries()))
      expect(said.filter((word) => word === 'held').length).toBeLessThan(2)
      held = all[said.indexOf('held')]
    }
    expect(held).toBeDefined()
    expect(() => hold(file)).toThrow(DatabaseHeld)
  })

  it('is had by this process once, and again when it has let go', async () => {
    const first = hold(file)
    expect(() => hold(file)).toThrow(`works on ${file}`)
    const other = await startOther()
    expect(await other.tries(), 'the try above has let nobody in').toBe('DatabaseHeld')
    first.release()
    hold(file).release()
    expect(await other.tries()).toBe('held')
  })

  it('is the same by a link to the file, and by a link to its folder', async () => {
    await closeDatabase(openDatabase(file))
    symlinkSync(file, join(folder, 'link.sqlite'))
    symlinkSync(folder, join(folder, 'folder'))
    const mine = hold(join(folder, 'link.sqlite'))
    for (const path of [file, join(folder, 'folder', 'a.sqlite')]) expect(() => hold(path), path).toThrow(DatabaseHeld)
    mine.release()
  })

  it('shuts nobody out whose folder it is, where root takes it', ({ skip }) => {
    if (process.getuid?.() !== 0) return skip('not root')
    chownSync(folder, 65_534, 65_534)
    hold(file).release()
    const { uid, gid, mode } = statSync(`${file}-lock`)
    expect({ uid, gid, mode: mode & 0o777 }).toEqual({ uid: 65_534, gid: 65_534, mode: 0o600 })
  })

  it('is not had where something else stands in the place of its lock, which is told from the database', () => {
    for (const content of ['hello\n', randomBytes(5_000)]) {
      writeFileSync(`${file}-lock`, content)
      expect(() => hold(file)).toThrow(/its lock .*a\.sqlite-lock is not the empty file that it should be/)
      rmSync(`${file}-lock`)
    }
    mkdirSync(`${file}-lock`)
    expect(() => hold(file)).toThrow(/its lock .*a\.sqlite-lock is not the empty file that it should be/)
  })

  it('is waited for as long as is said', async () => {
    const mine = hold(file)
    let waits = 0
    const count = () => waits++
    await expect(untilFree(() => hold(file), 200, count)).rejects.toThrow(DatabaseHeld)
    const waiting = untilFree(
      () => hold(file),
      20_000,
      () => mine.release(),
    )
    ;(await waiting).release()
    expect(waits).toBe(1)
    await expect(untilFree(() => hold(join(folder, 'nowhere', 'a')), 20_000, count)).rejects.toMatchObject({
      code: 'ENOENT',
    })
  })

  it('is a database’s from before it is opened until after it is closed', async () => {
    const db = await openAlone(file)
    const other = await startOther()
    expect(await other.tries()).toBe('DatabaseHeld')
    // Who only looks is let in.
    await closeDatabase(openDatabase(file))
    expect(await other.tries()).toBe('DatabaseHeld')
    await closeDatabase(db)
    expect(await other.tries()).toBe('held')
    await expect(openAlone(file, 0)).rejects.toThrow(DatabaseHeld)
  })

  it('whose lock is taken away is none: nothing is written any more', async () => {
    const db = await openAlone(file)
    const write = () => transaction(db, async () => {})
    await write()
    rmSync(`${file}-lock`)
    const until = Date.now() + 20_000
    let told: unknown
    while (told === undefined && Date.now() < until) told = await write().catch((error: unknown) => error)
    expect(String(told)).toMatch(/its lock .*a\.sqlite-lock was taken away/)
    expect(await (await startOther()).tries()).toBe('held')
    await closeDatabase(db)
  })
})
