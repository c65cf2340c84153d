import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { beforeEach, describe, expect, test } from 'vitest'
import { hold } from '../../src/db/hold.ts'
import type { RunningProgram } from '../helpers/program.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'

/** On one database one process works at a time, and on none that is not its own. */
describe('an SQLite database', { timeout: 120_000 }, () => {
  let server: ServerProcess
  const others: RunningProgram[] = []
  beforeEach(async () => {
    server = await startServer()
    return async () => {
      for (const { child, ended } of others.splice(0)) {
        child.kill('SIGKILL')
        await ended
      }
      await server.stop()
    }
  })

  const file = () => join(server.dataFolder, 'countersign.sqlite')
  const another = (env?: Record<string, string>) => {
    const other = server.another(env)
    others.push(other)
    return other
  }
  const serves = (program: RunningProgram) => program.output().stdout.includes('countersign is running')
  const doctorOf = async (name: string) => {
    const { stdout } = await server.cli(['doctor'])
    return stdout.split('\n').find((line) => line.includes(` ${name}: `))
  }
  /** A backup that can be restored has every key. */
  const expectWhole = async () => {
    writeFileSync(join(server.workFolder, 'passphrase'), 'correct horse battery\n')
    rmSync(join(server.workFolder, 'whole.backup'), { force: true })
    for (const words of [['backup'], ['backup', 'verify']]) {
      const { code, stderr } = await server.cli([...words, 'whole.backup', '--passphrase-file', 'passphrase'])
      expect({ code, stderr }).toMatchObject({ code: 0 })
    }
  }

  test('of a server that runs takes no second one, by another data folder or without the socket', async () => {
    const elsewhere = join(server.workFolder, 'elsewhere')
    mkdirSync(elsewhere)
    for (const name of ['key.secret', 'root.pem']) copyFileSync(join(server.dataFolder, name), join(elsewhere, name))
    const byPath = another({ COUNTERSIGN_DATA: elsewhere, DATABASE_URL: file() })
    rmSync(join(server.dataFolder, 'countersign.sock'))
    const byFolder = another()
    expect(await byFolder.ended).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/another server, or a restore, works on the data folder/),
    })
    expect(await byPath.ended).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`another process, a server or a command, works on ${file()}`),
    })
    expect([byPath, byFolder].some(serves)).toBe(false)
    // Without its socket no command reaches it, and none writes beside it.
    const { code, stderr } = await server.cli(['profile', 'ls'])
    expect({ code, stderr }).toMatchObject({
      code: 6,
      stderr: expect.stringMatching(/another process works on the database of .* and takes no commands/),
    })
  })

  test('is one’s of two servers that start at the same moment, also for the first time', async () => {
    for (const first of [false, true]) {
      await server.kill('SIGTERM')
      const folder = first ? join(server.workFolder, 'first') : server.dataFolder
      const both = [1, 2].map(() => another({ COUNTERSIGN_DATA: folder }))
      const loser = await Promise.race(both.map(({ ended }) => ended))
      expect(loser).toMatchObject({ code: 1, stderr: expect.stringMatching(/another server, or a restore, works on/) })
      const winner = both.find(({ child }) => child.exitCode === null)
      while (winner?.child.exitCode === null && !serves(winner)) await delay(20)
      expect(winner && serves(winner)).toBe(true)
      winner?.child.kill('SIGTERM')
      expect(await winner?.ended).toMatchObject({ code: 0 })
      await server.restart()
    }
  })

  test('loses no key when its key is changed in the moment in which a server starts', async () => {
    await server.kill('SIGTERM')
    // Both wait for it: whoever comes first, the other goes on with what that one has made.
    for (const order of ['server', 'command'] as const) {
      const mine = hold(file())
      const before = readFileSync(join(server.dataFolder, 'key.secret'), 'utf8')
      let rotated = order === 'command' ? server.cli(['key-secret', 'rotate']) : undefined
      const starting = another()
      while (!starting.output().stderr.includes('waiting for it')) await delay(20)
      rotated ??= server.cli(['key-secret', 'rotate'])
      mine.release()
      expect(await rotated).toMatchObject({ code: 0 })
      while (!serves(starting)) await delay(20)
      expect(readFileSync(join(server.dataFolder, 'key.secret'), 'utf8')).not.toBe(before)
      // What the server seals now can be opened after its next start.
      const sealed = ['authority', 'create', `of-${order}`, '--subject', `CN=${order}`]
      expect(await server.cli(sealed)).toMatchObject({ code: 0 })
      expect(await doctorOf('keys')).toMatch(/^ok/)
      await expectWhole()
      starting.child.kill('SIGTERM')
      await starting.ended
      expect(await doctorOf('keys')).toMatch(/^ok/)
    }
    for (const wait of [0, 100, 200, 300]) {
      const starting = server.restart()
      await delay(wait)
      expect(await server.cli(['key-secret', 'rotate'])).toMatchObject({ code: 0 })
      await starting
      expect(await server.cli(['authority', 'create', `after-${wait}`, '--subject', `CN=${wait}`])).toMatchObject({
        code: 0,
      })
      expect(await doctorOf('keys')).toMatch(/^ok/)
      await server.kill('SIGTERM')
      expect(await doctorOf('keys')).toMatch(/^ok/)
    }
  })

  test('that is empty, or another one, is no first start where a server has worked', async () => {
    await server.kill('SIGTERM')
    const root = readFileSync(server.rootPem)
    const kept = `${file()}.kept`
    renameSync(file(), kept)
    const told = new RegExp(`${file()} is empty, though .*root.pem says that a server has worked here: put it back`)
    writeFileSync(file(), '')
    expect(await another().ended).toMatchObject({ code: 1, stderr: expect.stringMatching(told) })
    for (const words of [['migrate'], ['profile', 'ls']])
      expect(await server.cli(words), words.join(' ')).toMatchObject({ code: 3, stderr: expect.stringMatching(told) })
    expect(await doctorOf('database')).toMatch(told)
    // Of another installation, that was never served from.
    rmSync(file())
    expect(await server.cli(['migrate', '--data', 'never'])).toMatchObject({ code: 0 })
    copyFileSync(join(server.workFolder, 'never', 'countersign.sqlite'), file())
    expect(await another().ended).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/there is no installation in the database, though .*root\.pem/),
    })
    expect(readFileSync(server.rootPem)).toEqual(root)
    for (const end of ['', '-wal', '-shm']) rmSync(`${file()}${end}`, { force: true })
    renameSync(kept, file())
    await server.restart()
    truncateSync(file(), 0)
  })

  test('whose key is away, or another one, is backed up no more, and the alert tells of it', async () => {
    const key = join(server.dataFolder, 'key.secret')
    expect(await server.cli(['key-secret', 'rotate'])).toMatchObject({ code: 0 })
    const right = readFileSync(key)
    writeFileSync(join(server.workFolder, 'passphrase'), 'correct horse battery\n')
    const backup = (running: boolean) => server.cli(['backup', `${running}.backup`, '--passphrase-file', 'passphrase'])
    const refused = async (running: boolean, why: RegExp) => {
      const { code, stderr } = await backup(running)
      expect({ code, stderr }).toMatchObject({ code: 5, stderr: expect.stringMatching(why) })
      expect(existsSync(join(server.workFolder, `${running}.backup`))).toBe(false)
    }
    for (const running of [true, false]) {
      if (!running) await server.kill('SIGTERM')
      rmSync(key)
      await refused(running, /there is no key\.secret in .*: nothing could be restored from a backup without it/)
      writeFileSync(key, `${Buffer.alloc(32, 7).toString('base64')}\n`, { mode: 0o600 })
      await refused(running, /key\.secret in .* is not the key of this database/)
      const { code, stderr } = await server.cli(['key-secret', 'rotate'])
      expect({ code, stderr }).toMatchObject({
        code: expect.any(Number),
        stderr: expect.stringMatching(/is not the one of this database/),
      })
      expect(code).not.toBe(0)
      writeFileSync(key, right)
      expect(await backup(running)).toMatchObject({ code: 0 })
    }
  })
})
