import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { readCrl } from '../../src/pki/crlReader.ts'
import { createCrlPublisher, type Publication } from '../../src/reach/crlPublisher.ts'
import { databases } from '../helpers/databases.ts'
import { manualAuthority } from '../helpers/manualAuthority.ts'
import { createPeople, type People } from '../helpers/people.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

const secret = 'a secret that no command may see'

describe.each(databases)('publishing CRLs beside HTTP, on $name', ({ open }) => {
  let world: World
  let people: People
  let close: () => Promise<void>
  let work: string
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    process.env.COUNTERSIGN_KEY_SECRET = secret
  })
  afterAll(() => {
    delete process.env.COUNTERSIGN_KEY_SECRET
    return close()
  })
  beforeEach(() => {
    work = mkdtempSync(join(tmpdir(), 'countersign-publish-'))
  })
  afterEach(() => rmSync(work, { recursive: true, force: true }))

  const path = (...parts: string[]) => join(work, ...parts)
  const publisher = (publication: Publication = { folder: path('web') }, timeout = 20_000) =>
    createCrlPublisher(world.it, { ...publication, dataFolder: path('data'), timeout })
  const alerts = async () =>
    (await people.operator.admin.alerts()).filter(({ kind }) => kind === 'crl_publication').map(({ detail }) => detail)

  /** A program; `told` reads what it wrote into the file `log`. */
  function program(name: string, lines: string): [string, ...string[]] {
    const file = path(name)
    writeFileSync(file, `#!/bin/sh\n${lines}\n`)
    chmodSync(file, 0o755)
    return [file, path('log')]
  }
  const told = () => (existsSync(path('log')) ? readFileSync(path('log'), 'utf8').trim().split('\n') : [])
  const issuerOf = async (authority: string) =>
    (await people.operator.authorityChain(authority)).active?.id ?? expect.fail('no issuer')

  async function revokeOne(): Promise<string> {
    const csr = await newCsr(['published.example.org'])
    const names = { csr, identifiers: csr.identifiers, validated: csr.identifiers }
    const door = world.core.as(acmeAccount())
    const profile = await world.profile()
    const { request } = await door.sign({ profile, protocol: 'acme', action: 'issue', refusal: 'throw', ...names })
    await door.revoke({ protocol: 'acme', certificate: request.id, grounds: 'account', reason: 'superseded' })
    return (await door.findCertificate({ id: request.id }))?.serial ?? ''
  }

  describe('as files', () => {
    test('each stands where its URL has it, and the active one under its authority’s name', async () => {
      await publisher().run()
      const { der } = await people.operator.crl({ authority: 'issuing' })
      const file = path('web', 'issuing', String(await issuerOf('issuing')), '0.crl')
      expect(readFileSync(file)).toEqual(der)
      expect(readFileSync(path('web', 'issuing.crl'))).toEqual(der)
      expect(existsSync(path('web', 'root.crl'))).toBe(true)
      expect(statSync(file).mode & 0o777).toBe(0o644)
    })

    test('a revocation makes a new one without anybody asking over HTTP, put in place as a whole', async () => {
      const running = publisher()
      await running.run()
      const file = path('web', 'issuing.crl')
      const before = statSync(file)
      await running.run()
      expect(statSync(file).ino).toBe(before.ino)
      const serial = await revokeOne()
      await running.run()
      expect(statSync(file).ino).not.toBe(before.ino)
      expect(readCrl(readFileSync(file)).entries.map((entry) => entry.serial)).toContain(serial)
      const left = readdirSync(path('web'), { recursive: true }).filter((name) => String(name).includes('.tmp'))
      expect(left).toEqual([])
    })

    test('after a restart what is there stays, and what was lost or changed is put back', async () => {
      await publisher().run()
      const kept = statSync(path('web', 'root.crl'))
      writeFileSync(path('web', 'issuing.crl'), 'something else')
      await publisher().run()
      expect(statSync(path('web', 'root.crl')).ino).toBe(kept.ino)
      expect(readFileSync(path('web', 'issuing.crl'))).toEqual(
        (await people.operator.crl({ authority: 'issuing' })).der,
      )
    })

    test('of an authority that signs elsewhere, once one was uploaded', async () => {
      const { name, ca } = await manualAuthority(world)
      const running = publisher()
      await running.run()
      expect(existsSync(path('web', `${name}.crl`))).toBe(false)
      const crl = await ca.crl({ number: 5 })
      await people.operator.admin.uploadCrl(name, crl)
      await running.run()
      expect(readFileSync(path('web', `${name}.crl`))).toEqual(crl)
    })

    test('an authority that cannot be loaded, or whose CRL cannot be made, stops none of the others', async () => {
      const set = (name: string, change: { settings?: string }) =>
        transaction(world.it.db, async (db) => {
          await withTables<CoreTables>(db)
            .updateTable('authorities')
            .set((eb) => ({ ...change, version: eb('version', '+', 1) }))
            .where('name', '=', name)
            .execute()
        })
      const issuer = await issuerOf('root')
      const row = { serial: 'no serial', shard: 0, revoked_at: 0, reason: null, invalidity_at: null }
      await transaction(world.it.db, async (db) => {
        await withTables<CoreTables>(db)
          .insertInto('imported_revocations')
          .values({ ...row, authority_certificate_id: issuer })
          .execute()
        await withTables<CoreTables>(db)
          .updateTable('authorities')
          .set((eb) => ({ revocations: eb('revocations', '+', 1) }))
          .where('name', '=', 'root')
          .execute()
      })
      try {
        await publisher().run()
        expect(existsSync(path('web', 'root.crl'))).toBe(false)
        expect(existsSync(path('web', 'issuing.crl'))).toBe(true)
        await set('root', { settings: 'no JSON' })
        const serial = await revokeOne()
        await publisher().run()
        expect(readCrl(readFileSync(path('web', 'issuing.crl'))).entries.map((entry) => entry.serial)).toContain(serial)
      } finally {
        await transaction(world.it.db, async (db) => {
          await withTables<CoreTables>(db).deleteFrom('imported_revocations').execute()
        })
        await set('root', { settings: '{}' })
      }
      world.time.pass(31_000)
      await publisher().run()
      expect(existsSync(path('web', 'root.crl'))).toBe(true)
      expect(await alerts()).toEqual([])
    })

    test('a folder that cannot be written has an alert for each, until it can', async () => {
      writeFileSync(path('web'), 'not a folder')
      const running = publisher()
      await running.run()
      expect(await alerts()).toContainEqual(expect.stringMatching(/^the CRL issuing\/\d+\/0 could not be published/))
      rmSync(path('web'))
      await running.run()
      expect(existsSync(path('web'))).toBe(false)
      world.time.pass(31_000)
      await running.run()
      expect(existsSync(path('web', 'issuing.crl'))).toBe(true)
      expect(await alerts()).toEqual([])
    })
  })

  describe('by a command', () => {
    const note =
      'echo "$CRL_AUTHORITY $CRL_CERTIFICATE $CRL_SHARD $CRL_DELTA $CRL_NUMBER $CRL_URL $(wc -c < "$CRL_FILE")" >> "$1"'

    test('it learns of each new CRL, once, also over a restart', async () => {
      const command = program('put', note)
      await publisher({ command }).run()
      const { der, number } = await people.operator.crl({ authority: 'issuing' })
      const issuer = await issuerOf('issuing')
      const url = `http://ca.test/crl/issuing/${issuer}/0.crl`
      const line = `issuing ${issuer} 0 false ${number} ${url} ${der.length}`
      expect(told()).toContain(line)
      const first = told()
      await publisher({ command }).run()
      expect(told()).toEqual(first)
      await revokeOne()
      await publisher({ command }).run()
      expect(told().slice(first.length)).toEqual([expect.stringMatching(new RegExp(`^issuing ${issuer} 0 false `))])
    })

    test('another command begins anew', async () => {
      await publisher({ command: program('put', note) }).run()
      const { length } = told()
      await publisher({ command: program('put-other', note) }).run()
      expect(told()).toHaveLength(2 * length)
    })

    test('no shell reads its arguments, and of our environment it sees only what is no secret', async () => {
      const names = [
        'PGPASSWORD',
        'DATABASE_URL',
        'COUNTERSIGN_KEY_SECRET',
        'HTTPS_PROXY',
        'AWS_SECRET_ACCESS_KEY',
        'X',
      ]
      const before = new Map(names.map((name) => [name, process.env[name]]))
      for (const name of names) process.env[name] = secret
      process.env.LC_TIME = 'C.UTF-8'
      try {
        const [file, log] = program('put', 'echo "$2" >> "$1"; env >> "$1"')
        await publisher({ command: [file, log ?? '', '$(id);*'] }).run()
      } finally {
        for (const [name, value] of before) {
          if (value === undefined) delete process.env[name]
          else process.env[name] = value
        }
        delete process.env.LC_TIME
      }
      expect(told()[0]).toBe('$(id);*')
      expect(told().join()).not.toContain(secret)
      expect(told()).toContain(`PATH=${process.env.PATH}`)
      expect(told()).toContain('LC_TIME=C.UTF-8')
      expect(told()).toContainEqual(expect.stringMatching(/^CRL_FILE=/))
    })

    test('one that fails has an alert, is tried again after a pause, and the alert closes', async () => {
      const command = program('put', `${note}\necho sorry >&2\nexit 3`)
      const running = publisher({ command })
      await running.run()
      const { length } = told()
      expect(await alerts()).toContainEqual(expect.stringMatching(/^the CRL issuing\//))
      await running.run()
      expect(told()).toHaveLength(length)
      program('put', note)
      world.time.pass(31_000)
      await running.run()
      expect(told()).toHaveLength(2 * length)
      expect(await alerts()).toEqual([])
    })

    test('an alert that an earlier process left closes too', async () => {
      const command = program('put', 'exit 1')
      await publisher({ command }).run()
      expect((await alerts()).length).toBeGreaterThan(0)
      program('put', note)
      await publisher({ command }).run()
      expect(await alerts()).toEqual([])
    })

    test('one that hangs is killed with its children, and those after it are published', async () => {
      const command = program(
        'put',
        'case $CRL_AUTHORITY in root) sleep 600 & echo $! > "$1.pid"; wait;; *) echo "$CRL_AUTHORITY" >> "$1";; esac',
      )
      await publisher({ command }, 1_500).run()
      expect(told()).toContain('issuing')
      expect(await alerts()).toEqual([expect.stringMatching(/^the CRL root\//)])
      const pid = Number(readFileSync(path('log.pid'), 'utf8'))
      const state = () => readFileSync(`/proc/${pid}/stat`, 'utf8')
      // Gone, or waiting for its new parent to take note.
      await expect.poll(() => !existsSync(`/proc/${pid}`) || / Z /.test(state())).toBe(true)
      program('put', note)
      await publisher({ command }).run()
    })

    test('one that is not there has an alert', async () => {
      await publisher({ command: [path('nothing')] }).run()
      expect((await alerts()).length).toBeGreaterThan(0)
      const command = program('put', note)
      await publisher({ command }).run()
      expect(await alerts()).toEqual([])
    })

    test('stopping ends it, without an alert', async () => {
      const command = program('put', 'echo begun >> "$1"; sleep 600')
      const running = publisher({ command })
      const done = running.run()
      await expect.poll(() => told().length).toBe(1)
      running.stop()
      await done
      expect(await alerts()).toEqual([])
      expect(told()).toEqual(['begun'])
    })
  })
})
