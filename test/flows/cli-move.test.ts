import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Holder, type IssuedCertificate, passphraseFile, startHolder } from '../helpers/custody.ts'
import { databases } from '../helpers/databases.ts'
import { reviewRules } from '../helpers/installation.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'

const [, postgres] = databases

describe('from SQLite to PostgreSQL by one command', { timeout: 120_000 }, () => {
  let server: ServerProcess
  let holder: Holder
  let target: { url: string; close(): Promise<void> }
  beforeAll(async () => {
    if (!postgres) throw new Error('there is no PostgreSQL')
    target = await postgres.openEmpty()
    server = await startServer()
    holder = await startHolder(server)
  }, 120_000)
  afterAll(async () => {
    holder?.close()
    await server?.stop()
    await target?.close()
  })

  const move = (url = target.url) => server.cli(['move', '--to', url])
  const file = () => join(server.dataFolder, 'countersign.sqlite')
  const moved = () => `${file()}.moved`
  /** Of the rows, whichever pages they are on. */
  const content = (path = file()) => {
    const handle = new Sqlite(path, { readonly: true })
    const hash = createHash('sha256')
    for (const table of ['certificates', 'sign_requests', 'audit_events', 'sealed_keys', 'acme_accounts'])
      for (const row of handle.prepare(`select * from ${table} order by id`).iterate()) hash.update(JSON.stringify(row))
    handle.close()
    return hash.digest('hex')
  }
  const issued: Record<'good' | 'revoked', IssuedCertificate> = {} as never

  test('refuses while a server runs', async () => {
    issued.good = await holder.issue('good.localhost')
    issued.revoked = await holder.issue('revoked.localhost')
    await holder.revoke(issued.revoked)
    const profile = { name: 'reviewed', authority: 'issuing', protocols: { ra: {}, acme: {} }, rules: reviewRules }
    expect(await server.cli(['profile', 'set', '-f', '-'], { input: JSON.stringify(profile) })).toMatchObject({
      code: 0,
    })
    expect(await move()).toMatchObject({ code: 5, stderr: expect.stringMatching(/a server runs on/) })
    const backup = ['backup', 'create', 'before.backup', '--passphrase-file', passphraseFile(server)]
    expect(await server.cli(backup)).toMatchObject({ code: 0 })
    await server.kill('SIGTERM')
  })

  test('refuses what is no PostgreSQL, cannot be reached, or is not empty, and leaves both as they were', async () => {
    const before = content()
    expect(await move('mysql://localhost/x')).toMatchObject({ code: 2 })
    expect(await server.cli(['move'])).toMatchObject({ code: 2 })
    const unreached = await move('postgres://127.0.0.1:1/none')
    expect(unreached).toMatchObject({ code: 6, stderr: expect.stringMatching(/\n {2}because: .*ECONNREFUSED/) })
    await query('create table somebody (id int)')
    expect(await move()).toMatchObject({ code: 5, stderr: expect.stringMatching(/empty/) })
    await query('drop table somebody')
    expect(content()).toBe(before)
  })

  test('moves every row, proves them, and leaves the source alone, under another name', async () => {
    const before = content()
    const { code, stdout, stderr } = await move()
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/set DATABASE_URL/)
    expect(stdout).toContain(`${file()} is ${moved()} now`)
    expect(content(moved())).toBe(before)
    expect(['', '-wal', '-shm'].filter((end) => existsSync(`${file()}${end}`))).toEqual([])
    expect(await move()).toMatchObject({ code: 5, stderr: expect.stringMatching(/it was moved already/) })
    // Started as it was, a server does not begin anew.
    expect(await server.another().ended).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/the database was moved to PostgreSQL.*set DATABASE_URL/),
    })
  })

  test('the server goes on there: certificates, accounts, revocations and numbers', async () => {
    writeFileSync(join(server.dataFolder, 'countersign.yaml'), `databaseUrl: ${target.url}\n`)
    const before = readFileSync(moved())
    await server.restart()
    expect(await holder.status(issued.good)).toBe('good')
    expect(await holder.status(issued.revoked)).toMatch(/^revoked/)
    await holder.meetNewNonces()
    const anew = await holder.issue('anew.localhost')
    expect(await holder.status(anew)).toBe('good')
    await holder.revoke(issued.good)
    expect(await holder.status(issued.good)).toMatch(/^revoked/)
    expect((await holder.crl()).serials).toEqual(expect.arrayContaining([issued.good.serial, issued.revoked.serial]))
    const audit = await server.cli(['audit', 'verify', '--json'])
    expect(JSON.parse(audit.stdout).problems).toEqual([])
    for (const name of ['good.localhost', 'revoked.localhost', 'anew.localhost']) {
      const found = await server.cli(['certificate', 'ls', '--search', name, '--json'])
      expect(JSON.parse(found.stdout).rows, name).toHaveLength(1)
    }
    expect(readFileSync(moved()).equals(before)).toBe(true)
  })

  test('and refuses to be moved from there', async () => {
    await server.kill('SIGTERM')
    expect(await move()).toMatchObject({ code: 2, stderr: expect.stringMatching(/on PostgreSQL already/) })
  })

  test('a backup of SQLite is restored into PostgreSQL too', async () => {
    if (!postgres) throw new Error('there is no PostgreSQL')
    const second = await postgres.openEmpty()
    const folder = join(server.workFolder, 'other')
    writeFileSync(join(server.workFolder, 'other.yaml'), `databaseUrl: ${second.url}\n`)
    const where = ['--data', folder, '--config', join(server.workFolder, 'other.yaml')]
    const restored = await server.cli([
      ...where,
      'restore',
      'before.backup',
      '--passphrase-file',
      passphraseFile(server),
    ])
    expect(restored).toMatchObject({ code: 0, stderr: '' })
    const { stdout } = await server.cli([...where, 'certificate', 'ls', '--status', 'revoked', '--json'])
    expect(JSON.parse(stdout).rows).toMatchObject([{ names: ['revoked.localhost'] }])
    await second.close()
  })

  async function query(text: string): Promise<void> {
    const client = new pg.Client({ connectionString: target.url })
    await client.connect()
    await client.query(text)
    await client.end()
  }
})
