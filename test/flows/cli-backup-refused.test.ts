import { createHash } from 'node:crypto'
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hold } from '../../src/db/hold.ts'
import { root } from '../helpers/bundle.ts'
import { type Holder, type IssuedCertificate, passphraseFile, startHolder } from '../helpers/custody.ts'
import { run, start } from '../helpers/program.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'

/** What leaves everything as it was. */
describe('a backup that is no good, and a restore that is stopped', { timeout: 180_000 }, () => {
  let server: ServerProcess
  let holder: Holder
  let pass: string
  let kept: IssuedCertificate
  beforeAll(async () => {
    server = await startServer()
    holder = await startHolder(server)
    pass = passphraseFile(server)
    kept = await holder.issue('kept.localhost')
    expect(await backup('one.backup')).toMatchObject({ code: 0 })
    await server.kill('SIGTERM')
  }, 120_000)
  afterAll(async () => {
    holder.close()
    await server.stop()
  })

  const at = (name: string) => join(server.workFolder, name)
  const backup = (file: string, how = pass) => server.cli(['backup', 'create', file, '--passphrase-file', how])
  const restore = (file: string, ...how: string[]) =>
    server.cli(['restore', file, '--passphrase-file', pass, '--replace', ...how])
  const verify = (file: string, how = pass) => server.cli(['backup', 'verify', file, '--passphrase-file', how])
  /** All of the data folder but what a reader of SQLite leaves. */
  const state = () => {
    const names = readdirSync(server.dataFolder).filter((name) => !/-(wal|shm|lock)$|\.sock$/.test(name))
    const hash = (name: string) =>
      createHash('sha256')
        .update(readFileSync(join(server.dataFolder, name)))
        .digest('hex')
    return names.sort().map((name) => `${name} ${statSync(join(server.dataFolder, name)).isFile() ? hash(name) : '/'}`)
  }

  test('is restored by one of two at once, and by none while a command works there', async () => {
    const into = (folder: string) => ['restore', at('one.backup'), '--passphrase-file', pass, '--data', at(folder)]
    const ended = await Promise.all([1, 2, 3].map(() => server.cli(into('crowded'))))
    expect(ended.map(({ code }) => code).sort()).toEqual([0, 5, 5])
    for (const { code, stderr } of ended)
      if (code !== 0)
        expect(stderr).toMatch(
          /another server, or a restore, works on the data folder|there is an installation already/,
        )
    const found = await server.cli([
      'certificate',
      'ls',
      '--search',
      'kept.localhost',
      '--json',
      '--data',
      at('crowded'),
    ])
    expect(JSON.parse(found.stdout).rows).toHaveLength(1)
    const before = state()
    const mine = hold(join(server.dataFolder, 'countersign.sqlite'))
    const refused = await restore('one.backup')
    mine.release()
    expect(refused).toMatchObject({ code: 5, stderr: expect.stringMatching(/a server, or another command, works on/) })
    expect(state()).toEqual(before)
  })

  test('is not written over another file, nor under a short passphrase, nor where nothing is', async () => {
    expect(await backup('one.backup')).toMatchObject({
      code: 5,
      stderr: expect.stringMatching(/nothing is overwritten/),
    })
    expect(await backup('two.backup', passphraseFile(server, 'short'))).toMatchObject({ code: 2 })
    expect(existsSync(at('two.backup'))).toBe(false)
    expect(await server.cli(['backup', 'two.backup'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/--passphrase-file FILE or COUNTERSIGN_BACKUP_PASSPHRASE/),
    })
    const nowhere = await run(process.execPath, [join(root, 'dist/cli.js'), 'backup', 'x', '--data', at('nothing')], {
      env: { COUNTERSIGN_BACKUP_PASSPHRASE: 'correct horse battery' },
    })
    expect(nowhere).toMatchObject({ code: 3 })
    expect(await server.cli(['backup', 'verify', 'not-there', '--passphrase-file', pass])).toMatchObject({ code: 2 })
  })

  test('is refused before anything is replaced', async () => {
    const before = state()
    const whole = readFileSync(at('one.backup'))
    const wrong = async (name: string, content: Buffer, says: RegExp) => {
      writeFileSync(at(name), content)
      for (const ended of [await restore(name), await verify(name)])
        expect(ended, name).toMatchObject({ code: 2, stderr: expect.stringMatching(says) })
      expect(state()).toEqual(before)
    }
    await wrong('cut', whole.subarray(0, whole.length - 1), /end is missing/)
    const flipped = Buffer.from(whole)
    flipped[whole.length >> 1] = (flipped[whole.length >> 1] ?? 0) ^ 4
    await wrong('flipped', flipped, /damaged/)
    const newer = Buffer.from(whole)
    newer[19] = 9
    await wrong('newer', newer, /newer version/)
    const other = passphraseFile(server, 'another passphrase than that')
    expect(await verify('one.backup', other)).toMatchObject({ code: 2, stderr: expect.stringMatching(/passphrase/) })
    const without = await server.cli(['restore', 'one.backup', '--passphrase-file', pass])
    expect(without).toMatchObject({ code: 5, stderr: expect.stringMatching(/--replace/) })
    expect(state()).toEqual(before)
  })

  test('killed while it is written leaves no file under its name', async () => {
    let whole = 0
    for (const after of [100, 400, 700, 1000, 1300]) {
      rmSync(at('killed.backup'), { force: true })
      await killed(['backup', 'killed.backup', '--passphrase-file', pass], after)
      if (existsSync(at('killed.backup'))) {
        whole++
        expect(await verify('killed.backup')).toMatchObject({ code: 0 })
      }
    }
    expect(whole).toBeLessThan(5)
    rmSync(at('killed.backup'), { force: true })
    expect(await backup('killed.backup')).toMatchObject({ code: 0 })
  })

  test('killed while it is restored, there is the old installation or the new one, and it serves', async () => {
    const saved = at('saved')
    cpSync(server.dataFolder, saved, { recursive: true })
    for (const after of [300, 800, 1300, 1800, 2300]) {
      await killed(['restore', 'one.backup', '--passphrase-file', pass, '--replace'], after)
      const audit = await server.cli(['audit', 'verify', '--json'])
      expect(JSON.parse(audit.stdout || '{}'), audit.stderr).toMatchObject({ problems: [] })
    }
    expect(await restore('one.backup')).toMatchObject({ code: 0 })
    expect(existsSync(join(server.dataFolder, 'restore.staged'))).toBe(false)
    const [before] = readdirSync(server.dataFolder).filter((name) => name.startsWith('before-restore-'))
    expect(readdirSync(join(server.dataFolder, before ?? '')).sort()).toEqual(['countersign.sqlite', 'key.secret'])
    await server.restart()
    expect(await holder.status(kept)).toBe('good')
    await server.kill('SIGTERM')
  })

  /** Runs a command and kills it so many milliseconds later. */
  async function killed(words: string[], after: number): Promise<void> {
    const env = { COUNTERSIGN_DATA: server.dataFolder }
    const running = start(process.execPath, [join(root, 'dist/cli.js'), ...words], { cwd: server.workFolder, env })
    await Promise.race([delay(after), running.ended])
    running.child.kill('SIGKILL')
    await running.ended
  }
})
