import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { root } from '../helpers/bundle.ts'
import { run } from '../helpers/program.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'

/** What a verb, and a server at its start, says on an installation at rest whose files are not where they should be, or cannot be written to. */
describe('places that are wrong', { timeout: 120_000 }, () => {
  let server: ServerProcess
  beforeAll(async () => {
    server = await startServer()
    await server.kill('SIGTERM')
  }, 120_000)
  afterAll(() => server.stop())

  const cli = (words: string[], env: Record<string, string> = {}) =>
    run(process.execPath, [join(root, 'dist/cli.js'), ...words], {
      env: { COUNTERSIGN_DATA: server.dataFolder, DATABASE_URL: undefined, ...env },
    })

  /** A server that does not come up. */
  const started = (env: Record<string, string>) => server.another(env).ended

  test.each([['profile', 'ls'], ['doctor'], ['migrate']])(
    'a folder in place of the database: %s %s',
    async (...words) => {
      const folder = join(server.workFolder, 'folder')
      mkdirSync(folder, { recursive: true })
      const ended = await cli(words, { DATABASE_URL: folder })
      expect(ended).toMatchObject({
        code: 2,
        stderr: expect.stringContaining(`is the folder ${folder}: name the SQLite`),
      })
      expect(existsSync(`${folder}-lock`)).toBe(false)
    },
  )

  test('a folder in place of the key file', async () => {
    const file = join(server.dataFolder, 'key.secret')
    renameSync(file, `${file}.kept`)
    mkdirSync(file)
    const ended = await cli(['profile', 'ls'])
    rmSync(file, { recursive: true })
    renameSync(`${file}.kept`, file)
    expect(ended).toMatchObject({ code: 2, stderr: expect.stringContaining(`${file} is a folder, and must be a file`) })
    expect(await cli(['profile', 'ls'])).toMatchObject({ code: 0 })
  })

  test('a disk that is full, at the first start and at a later one, where this user may mount one', async ({
    skip,
  }) => {
    const folder = join(server.workFolder, 'full')
    mkdirSync(folder)
    if ((await run('mount', ['-t', 'tmpfs', '-o', 'size=300k', 'tmpfs', folder])).code !== 0)
      return skip('no mount here')
    const says = expect.stringMatching(
      /the database is unavailable: its disk (is full|does not do what it is asked to)/,
    )
    try {
      const data = join(folder, 'data')
      expect(await started({ COUNTERSIGN_DATA: data })).toMatchObject({ code: 1, stderr: says })
      expect(await run('mount', ['-o', 'remount,size=8m', folder])).toMatchObject({ code: 0 })
      rmSync(data, { recursive: true })
      cpSync(server.dataFolder, data, { recursive: true, filter: (path) => !path.endsWith('.sock') })
      await run('dd', ['if=/dev/zero', `of=${join(folder, 'rest')}`, 'bs=1k'])
      expect(await started({ COUNTERSIGN_DATA: data })).toMatchObject({ code: 1, stderr: says })
      expect(await cli(['profile', 'ls', '--data', data])).toMatchObject({ code: 6, stderr: says })
    } finally {
      await run('umount', [folder])
    }
  })

  test('of a backup: no folder, a folder, a disk that is full', async ({ skip }) => {
    const at = (...names: string[]) => join(server.workFolder, ...names)
    const env = { COUNTERSIGN_BACKUP_PASSPHRASE: 'correct horse battery' }
    const refused = async (words: string[], code: number, why: string) => {
      const ended = await cli(words, env)
      expect(ended, words.join(' ')).toMatchObject({ code, stderr: expect.stringMatching(`^countersign: .*${why}`) })
    }
    await refused(['backup', at('nowhere', 'x')], 2, 'nowhere/x: its folder is not there: make it')
    await refused(['backup', join(server.rootPem, 'x')], 2, 'x: a file stands where its folder should be')
    await refused(['backup', 'verify', at()], 2, 'it is a folder, and no file')
    expect(await cli(['backup', at('whole')], env)).toMatchObject({ code: 0 })
    const folder = at('small')
    mkdirSync(folder)
    if ((await run('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', folder])).code !== 0)
      return skip('no mount here')
    try {
      await refused(['backup', join(folder, 'x')], 6, 'small/x: its disk is full: make room there')
      expect(readdirSync(folder)).toEqual([])
      for (const size of ['16k', '400k']) {
        expect(await run('mount', ['-o', `remount,size=${size}`, folder])).toMatchObject({ code: 0 })
        const full = 'its disk (is full|does not do what it is asked to: see the room there)'
        await refused(['restore', at('whole'), '--data', join(folder, 'data')], 6, full)
        expect(readdirSync(join(folder, 'data')).filter((name) => !name.endsWith('-lock'))).toEqual([])
      }
    } finally {
      await run('umount', [folder])
    }
  })

  test('what stands where the socket is to be; and the variables of commands are none of the server’s trouble', async () => {
    const socket = join(server.dataFolder, 'countersign.sock')
    mkdirSync(socket)
    const ended = await started({ COUNTERSIGN_BACKUP_PASSPHRASE: 'correct horse battery', COUNTERSIGN_TOKEN: 'x' })
    rmSync(socket, { recursive: true })
    expect(ended).toMatchObject({ code: 1, stderr: expect.stringContaining(`${socket} is where the socket is to be`) })
  })

  test('what cannot be made', async () => {
    const nowhere = await started({
      COUNTERSIGN_DATA: join(server.workFolder, 'new'),
      DATABASE_URL: join(server.workFolder, 'nowhere', 'x.sqlite'),
    })
    expect(nowhere).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/the folder of its file is not there: make it/),
    })
    const says = expect.stringMatching(/the folder \/proc\/countersign cannot be made \(ENOENT\): name another one/)
    expect(await started({ COUNTERSIGN_DATA: '/proc/countersign/data' })).toMatchObject({ code: 1, stderr: says })
    expect(await cli(['migrate', '--data', '/proc/countersign'])).toMatchObject({ code: 2, stderr: says })
  })

  test('a file system that is mounted read-only, where this user may mount one', async ({ skip }) => {
    const folder = join(server.workFolder, 'read-only')
    mkdirSync(folder)
    const bound = await run('mount', ['--bind', server.dataFolder, folder])
    if (bound.code !== 0) return skip('no mount here')
    try {
      expect(await run('mount', ['-o', 'remount,ro,bind', folder])).toMatchObject({ code: 0 })
      const says = expect.stringContaining(`${folder} is on a file system that is mounted read-only`)
      const on = ['--data', folder]
      for (const words of [['profile', 'ls'], ['migrate']])
        expect(await cli([...words, ...on]), words.join(' ')).toMatchObject({ code: 6, stderr: says })
      expect(await cli(['doctor', ...on])).toMatchObject({ code: 1, stdout: says })
      expect(await started({ COUNTERSIGN_DATA: folder })).toMatchObject({ code: 1, stderr: says })
    } finally {
      await run('umount', [folder])
    }
  })
})
