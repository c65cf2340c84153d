import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { root } from '../helpers/bundle.ts'
import { type Holder, startHolder } from '../helpers/custody.ts'
import { run, start } from '../helpers/program.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'

describe('key-secret', { timeout: 180_000 }, () => {
  let server: ServerProcess
  let holder: Holder | undefined
  afterEach(async () => {
    holder?.close()
    holder = undefined
    await server.stop()
  })

  const json = async (...words: string[]) => {
    const { code, stdout, stderr } = await server.cli([...words, '--json'])
    if (code !== 0) throw new Error(stderr)
    return JSON.parse(stdout)
  }

  test('rotate seals all anew while orders run, and the old key is good for nothing', async () => {
    server = await startServer()
    holder = await startHolder(server)
    const file = join(server.dataFolder, 'key.secret')
    const old = readFileSync(file, 'utf8')
    const before = await json('key-secret', 'show')
    expect(before).toMatchObject({ source: 'file', left: 0 })
    let going = true
    const orders = (async () => {
      for (let n = 0; going; n++) await holder?.issue(`during-${n}.localhost`)
    })()
    const { code, stdout, stderr } = await server.cli(['key-secret', 'rotate'])
    going = false
    await orders
    expect({ code, stderr }).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/\d+ keys and secrets are sealed/),
    })
    expect(stdout).toMatch(/no change of it is under way/)
    expect(await json('key-secret', 'show')).not.toMatchObject({ current: before.current })
    expect(readFileSync(file, 'utf8')).not.toBe(old)
    expect(await json('key-secret', 'finish')).toMatchObject({ left: 0 })
    await server.kill('SIGTERM')
    await server.restart()
    await holder.meetNewNonces()
    const anew = await holder.issue('anew.localhost')
    expect(await holder.status(anew)).toBe('good')
    expect((await json('audit', 'verify')).problems).toEqual([])
    await server.kill('SIGTERM')
    writeFileSync(file, old)
    const ended = await run(process.execPath, [join(root, 'dist/cli.js'), 'alert', 'ls', '--data', server.dataFolder])
    expect(ended).toMatchObject({ code: 1, stderr: expect.stringMatching(/is not the one of this database/) })
    for (const verb of ['rotate', 'show', 'finish'])
      expect(await server.cli(['key-secret', verb]), verb).toMatchObject({ code: 1 })
  })

  test('a secret of the environment is rotated by who sets that', async () => {
    const [one, two] = [1, 2].map(() => randomBytes(32).toString('base64')) as [string, string]
    server = await startServer({ env: { COUNTERSIGN_KEY_SECRET: one } })
    expect(await server.cli(['key-secret', 'rotate'])).toMatchObject({ code: 2 })
    writeFileSync(join(server.workFolder, 'next'), `${two}\n`, { mode: 0o600 })
    const rotated = await server.cli(['key-secret', 'rotate', '--new-secret-file', 'next'])
    expect(rotated).toMatchObject({ code: 0, stdout: expect.stringMatching(/this process has the old secret/) })
    expect(`${rotated.stdout}${rotated.stderr}${server.output().stdout}`).not.toContain(two)
    expect(await server.cli(['key-secret', 'finish'])).toMatchObject({
      code: 5,
      stderr: expect.stringMatching(/restart/),
    })
    await server.kill('SIGTERM')
    await server.restart({ COUNTERSIGN_KEY_SECRET: two })
    expect(await json('key-secret', 'finish')).toMatchObject({ left: 0, outdated: false })
    expect(await json('key-secret', 'show')).toMatchObject({ source: 'environment' })
  })

  test('killed anywhere, with or without the server, it goes on', async () => {
    server = await startServer()
    holder = await startHolder(server)
    const settings = { COUNTERSIGN_DATA: server.dataFolder }
    for (const after of [400, 700, 1000]) {
      const rotating = start(process.execPath, [join(root, 'dist/cli.js'), 'key-secret', 'rotate'], {
        cwd: server.workFolder,
        env: settings,
      })
      await Promise.race([delay(after), rotating.ended])
      rotating.child.kill('SIGKILL')
      await Promise.all([rotating.ended, server.kill('SIGKILL')])
      await server.restart()
    }
    expect(await server.cli(['key-secret', 'rotate'])).toMatchObject({ code: 0 })
    expect(await json('key-secret', 'show')).toMatchObject({ left: 0, outdated: false })
    await holder.meetNewNonces()
    expect(await holder.status(await holder.issue('after.localhost'))).toBe('good')
    expect((await json('audit', 'verify')).problems).toEqual([])
  })
})
