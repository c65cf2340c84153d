import { chmodSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { passphraseFile } from '../helpers/custody.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'

/** What doctor says of an installation that is at rest, each time after something was done to it. */
describe('doctor', { timeout: 120_000 }, () => {
  let server: ServerProcess
  beforeAll(async () => {
    server = await startServer()
  }, 120_000)
  afterAll(() => server.stop())

  const doctor = (...words: string[]) => server.cli(['doctor', ...words])
  const line = (name: string, state: 'ok' | 'warn' | 'fail', says = '') =>
    expect.stringMatching(new RegExp(`^${state.padEnd(4)}  ${name}: .*${says}`, 'm'))
  const change = (statement: string) => {
    const handle = new Sqlite(join(server.dataFolder, 'countersign.sqlite'))
    handle.exec(statement)
    handle.close()
  }

  test('finds keys, chain, disk and key-encryption key in order, and no backup', async () => {
    const { code, stdout } = await doctor()
    expect(code).toBe(0)
    for (const name of ['keys', 'key-encryption key', 'audit chain', 'disk', 'clock', 'CRL of issuing'])
      expect(stdout).toEqual(line(name, 'ok'))
    expect(stdout).toEqual(line('backup', 'warn', 'none was ever made'))
    const full = await doctor('--full')
    expect(full).toMatchObject({ code: 0, stdout: line('audit chain', 'ok', 'all records agree') })
    expect(full.stdout).toEqual(line('keys', 'ok', 'all of them'))
  })

  test('tells of a data folder and of a key file that others may read, the latter before it mends that', async () => {
    const file = join(server.dataFolder, 'key.secret')
    await server.kill('SIGTERM')
    chmodSync(server.dataFolder, 0o755)
    chmodSync(file, 0o644)
    const { code, stdout } = await doctor()
    chmodSync(server.dataFolder, 0o700)
    expect(code).toBe(1)
    expect(stdout).toEqual(line('data folder', 'warn', `mode 0755: .*chmod 700 ${server.dataFolder}`))
    expect(stdout).toEqual(line('key file', 'fail', 'mode 0644: .*it is 0600 now.*key-secret rotate'))
    expect((await doctor()).stdout).toEqual(line('key file', 'ok'))
    await server.restart()
  })

  test('knows the last backup, and its age', async () => {
    const made = await server.cli(['backup', 'create', 'one.backup', '--passphrase-file', passphraseFile(server)])
    expect(made).toMatchObject({ code: 0 })
    expect((await doctor()).stdout).toEqual(line('backup', 'ok', 'the last one is of'))
    await server.kill('SIGTERM')
    change(`update settings set value = '{"madeAt":"2020-01-01T00:00:00.000Z"}' where name = 'last_backup'`)
    expect(await doctor()).toMatchObject({ code: 0, stdout: line('backup', 'warn', 'days ago') })
  })

  test('fails for a sealed key that was changed', async () => {
    change('create table saved as select id, sealed from sealed_keys')
    change(`update sealed_keys set sealed = cast(substr(sealed, 1, length(sealed) - 1) || x'00' as blob) where id = 1`)
    expect(await doctor()).toMatchObject({ code: 1, stdout: line('keys', 'fail', 'sealed_keys.sealed of 1') })
    change('update sealed_keys set sealed = (select sealed from saved where saved.id = sealed_keys.id)')
    change('drop table saved')
    expect(await doctor()).toMatchObject({ code: 0 })
  })

  test('fails for an event that was changed, and for a clock that was set back', async () => {
    change(`update audit_events set action = 'nothing' where id = 3`)
    expect(await doctor()).toMatchObject({ code: 1, stdout: line('audit chain', 'fail', 'event 3') })
    const handle = new Sqlite(join(server.dataFolder, 'countersign.sqlite'))
    handle
      .prepare('update audit_events set at = ? where id = (select max(id) from audit_events)')
      .run(Date.now() + 60_000)
    handle.close()
    expect(await doctor()).toMatchObject({ code: 1, stdout: line('clock', 'fail', 'last event') })
  })

  test('fails for a key file of another installation, and for none', async () => {
    const file = join(server.dataFolder, 'key.secret')
    const own = readFileSync(file)
    writeFileSync(file, `${Buffer.alloc(32, 1).toString('base64')}\n`)
    expect(await doctor()).toMatchObject({ code: 1, stdout: line('keys', 'fail', 'not the one of this database') })
    renameSync(file, `${file}.gone`)
    expect(await doctor()).toMatchObject({ code: 1, stdout: line('keys', 'fail', 'is missing') })
    rmSync(`${file}.gone`)
    writeFileSync(file, own, { mode: 0o600 })
    expect((await doctor()).stdout).toEqual(line('keys', 'ok'))
  })
})
