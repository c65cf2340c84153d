import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { root } from '../helpers/bundle.ts'
import { type Holder, type IssuedCertificate, passphraseFile, startHolder } from '../helpers/custody.ts'
import { databases } from '../helpers/databases.ts'
import { start } from '../helpers/program.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'

/** The whole way: serve, back up meanwhile, lose everything, restore, serve again. */
describe.each(databases)('backup and restore on $name', { timeout: 120_000 }, ({ name, openEmpty }) => {
  let server: ServerProcess
  let holder: Holder
  let pass: string
  let url = ''
  const closing: (() => Promise<void>)[] = []
  beforeAll(async () => {
    if (name === 'postgres') {
      const opened = await openEmpty()
      url = opened.url
      closing.push(opened.close)
      server = await startServer({ databaseUrl: url })
    } else server = await startServer()
    closing.unshift(() => server.stop())
    holder = await startHolder(server)
    closing.unshift(async () => holder.close())
    pass = passphraseFile(server)
  }, 120_000)
  afterAll(async () => {
    for (const close of closing) await close()
  })

  let good: IssuedCertificate
  let revoked: IssuedCertificate
  let later: IssuedCertificate
  let number: bigint

  test('a backup is made while orders run, and is proved', async () => {
    good = await holder.issue('good.localhost')
    revoked = await holder.issue('revoked.localhost')
    await holder.revoke(revoked)
    let going = true
    const orders = (async () => {
      let n = 0
      for (; going; n++) await holder.issue(`during-${n}.localhost`)
      return n
    })()
    const made = await server.cli(['backup', 'create', 'one.backup', '--passphrase-file', pass])
    going = false
    expect(await orders).toBeGreaterThan(0)
    expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/audit head \d+:[0-9a-f]{64}/) })
    expect(statSync(join(server.workFolder, 'one.backup')).mode & 0o777).toBe(0o600)
    expect(readdirSync(server.workFolder).filter((file) => file.endsWith('.partial'))).toEqual([])
    const proved = await server.cli(['backup', 'verify', 'one.backup', '--passphrase-file', pass, '--json'])
    expect(proved).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(proved.stdout)).toMatchObject({ dialect: name, key: 'file', sums: expect.anything() })
    expect((await server.cli(['audit', 'ls', '--action', 'installation.backed_up', '--json'])).stdout).toContain(
      'installation.backed_up',
    )
  })

  test('what happens after it is lost with the database', async () => {
    later = await holder.issue('later.localhost')
    await holder.revoke(later)
    number = (await holder.crl()).number
    expect(await server.cli(['restore', 'one.backup', '--passphrase-file', pass])).toMatchObject({
      code: 5,
      stderr: expect.stringMatching(/a server runs/),
    })
    await server.kill('SIGKILL')
    if (name === 'sqlite') rmSync(server.dataFolder, { recursive: true })
    else await refusedAndKilled()
    const how = name === 'sqlite' ? [] : ['--replace']
    const restored = await server.cli(['restore', 'one.backup', '--passphrase-file', pass, ...how])
    expect(restored).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/is not known here/) })
    expect(existsSync(join(server.dataFolder, 'restore.staged'))).toBe(false)
    await server.restart()
  })

  test('the restored server says what was so, and goes on', async () => {
    expect(await holder.status(good)).toBe('good')
    expect(await holder.status(revoked)).toMatch(/^revoked/)
    const crl = await holder.crl()
    expect(crl.number).toBeGreaterThan(number)
    expect(crl.serials).toContain(revoked.serial)
    expect(crl.serials).not.toContain(later.serial)
    await holder.meetNewNonces()
    const anew = await holder.issue('anew.localhost')
    expect(await holder.status(anew)).toBe('good')
    await holder.revoke(good)
    expect(await holder.status(good)).toMatch(/^revoked/)
    const audit = await server.cli(['audit', 'verify', '--json'])
    expect(JSON.parse(audit.stdout).problems).toEqual([])
    const found = await server.cli(['certificate', 'ls', '--search', 'good.localhost', '--json'])
    expect(JSON.parse(found.stdout).rows).toHaveLength(1)
    expect((await server.cli(['alert', 'ls'])).stdout).toMatch(/restored to/)
  })

  /** On PostgreSQL it is one transaction: killed anywhere, there is what there was, or what is in the backup. */
  async function refusedAndKilled(): Promise<void> {
    const words = ['restore', 'one.backup', '--passphrase-file', pass]
    expect(await server.cli(words)).toMatchObject({ code: 5, stderr: expect.stringMatching(/--replace/) })
    writeFileSync(join(server.dataFolder, 'countersign.yaml'), `databaseUrl: ${url}\n`)
    for (const after of [1_000, 2_000, 3_000]) {
      const env = { COUNTERSIGN_DATA: server.dataFolder }
      const program = [join(root, 'dist/cli.js'), ...words, '--replace']
      const running = start(process.execPath, program, { cwd: server.workFolder, env })
      await Promise.race([delay(after), running.ended])
      running.child.kill('SIGKILL')
      await running.ended
      const audit = await server.cli(['audit', 'verify', '--json'])
      expect(JSON.parse(audit.stdout || '{}'), audit.stderr).toMatchObject({ problems: [] })
    }
  }
})
