import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { system } from '../../src/core/requester.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { countOtherwise, reseal, sealedColumns, unreadableIn } from '../../src/core/upkeep/sealedColumns.ts'
import { closeDatabase, type Database, openDatabase } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { createKeyRotation } from '../../src/key/keyRotation.ts'
import { type InstallationKeys, openKeys, readKeyFile } from '../../src/key/keySecret.ts'
import { databases } from '../helpers/databases.ts'

describe.each(databases)('changing the key-encryption key on $name', ({ name, open }) => {
  let db: Database
  let url: string
  let folder: string
  let close: () => Promise<void>
  let now: number
  beforeEach(async () => {
    ;({ db, url, close } = await open())
    folder = mkdtempSync(join(tmpdir(), 'countersign-key-'))
    now = Date.now()
  })
  afterEach(async () => {
    await close()
    rmSync(folder, { recursive: true })
  })

  const place = () => ({ dataFolder: folder })
  const rotationOf = (
    keys: InstallationKeys,
    at: Database = db,
    where: { dataFolder: string; keySecret?: string } = place(),
  ) => createKeyRotation({ db: at, place: where, keys, clock: () => new Date(now) })(system('test'))

  async function store(keys: InstallationKeys, n: number): Promise<void> {
    await transaction(db, async (db) => {
      for (let i = 0; i < n; i++) {
        const uuid = `uuid ${now} ${i} ${Math.random()}`
        await withTables<CoreTables>(db)
          .insertInto('sealed_keys')
          .values({
            uuid,
            purpose: 'test',
            spki_hash: '',
            sealed: keys.vault.seal(Buffer.from(uuid), uuid, 'test'),
            created_at: now,
          })
          .execute()
      }
    })
  }

  async function resealAll(keys: InstallationKeys): Promise<number> {
    let cursor: Awaited<ReturnType<typeof reseal>>['next']
    let all = 0
    do {
      const done = await reseal(db, keys.vault, cursor)
      all += done.resealed
      cursor = done.next
    } while (cursor)
    return all
  }

  test('everything is readable before, meanwhile and after, also by a node that was started before', async () => {
    const keys = await openKeys(db, place())
    const other = await openKeys(db, place())
    await store(keys, 450)
    const rotation = rotationOf(keys)
    const begun = await rotation.begin()
    expect(begun).toMatchObject({ source: 'file', outdated: false, next: expect.stringMatching(/^[0-9a-f]{16}$/) })
    expect(await rotation.begin()).toMatchObject({ next: begun.next })
    if (name === 'postgres') await expect(rotation.activate()).rejects.toMatchObject({ code: 'conflict' })
    now += 20_000
    await rotation.activate()
    await store(keys, 1)
    // Not told yet: it says so, and is told within seconds. Of SQLite there is no other process.
    const told = name === 'postgres' ? /just been changed/ : /none of this installation any more/
    expect(() => other.vault.open(keys.vault.seal(Buffer.of(1), 'u', 'p'), 'u', 'p')).toThrow(told)
    await store(other, 1)
    await other.refresh()
    expect(await unreadableIn(db, other.vault)).toEqual([])
    expect(await countOtherwise(db, keys.vault)).toBe(451)
    expect(await resealAll(keys)).toBe(451)
    expect(await resealAll(keys)).toBe(0)
    if (name === 'postgres') await expect(rotation.finish()).rejects.toMatchObject({ code: 'conflict' })
    now += 20_000
    expect(await rotation.finish()).toMatchObject({ current: begun.next, outdated: false })
    const later = await openKeys(db, place())
    expect(await unreadableIn(db, later.vault)).toEqual([])
    expect(later.secretFor('audit chain')).toEqual(other.secretFor('audit chain'))
    expect(
      await withTables<CoreTables>(db).selectFrom('audit_events').select('action').orderBy('id').execute(),
    ).toEqual(['key_secret.made', 'key_secret.changed', 'key_secret.dropped'].map((action) => ({ action })))
  })

  test('twice, and the old file opens nothing any more', async () => {
    const first = await openKeys(db, place())
    const old = readFileSync(join(folder, 'key.secret'), 'utf8')
    const secret = first.secretFor('a part')
    await store(first, 3)
    for (const _ of [1, 2]) {
      const keys = await openKeys(db, place())
      const rotation = rotationOf(keys)
      await rotation.begin()
      now += 20_000
      await rotation.activate()
      await resealAll(keys)
      now += 20_000
      await rotation.finish()
      await store(keys, 1)
    }
    const last = await openKeys(db, place())
    expect(await unreadableIn(db, last.vault)).toEqual([])
    expect(last.secretFor('a part')).toEqual(secret)
    writeFileSync(join(folder, 'key.secret'), old)
    await expect(openKeys(db, place())).rejects.toThrow(/not the one of this database.*changed on/)
  })

  test('a node that was not restarted after one change seals nothing under a key that the next one drops', async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'countersign-key-'))
    try {
      const keys = await openKeys(db, place())
      writeFileSync(join(elsewhere, 'key.secret'), readFileSync(join(folder, 'key.secret')))
      const forgotten = await openKeys(db, { dataFolder: elsewhere })
      const change = async () => {
        const rotation = rotationOf(keys)
        await rotation.begin()
        await forgotten.refresh().catch(() => {})
        now += 20_000
        await rotation.activate()
        await forgotten.refresh().catch(() => {})
        await resealAll(keys)
        now += 20_000
        await rotation.finish()
        await forgotten.refresh().catch(() => {})
      }
      await change()
      await store(forgotten, 1)
      expect(await unreadableIn(db, (await openKeys(db, place())).vault)).toEqual([])
      await change()
      const code = name === 'postgres' ? 'unavailable' : 'internal'
      await expect(store(forgotten, 1)).rejects.toMatchObject({ code })
      await expect(forgotten.refresh()).rejects.toThrow(/not the one of this database/)
      expect(await countOtherwise(db, keys.vault)).toBe(0)
      expect(await unreadableIn(db, (await openKeys(db, place())).vault)).toEqual([])
    } finally {
      rmSync(elsewhere, { recursive: true })
    }
  })

  test('begun by two at once it is one change, and its key is on the disk', async () => {
    const keys = await openKeys(db, place())
    const rotations = createKeyRotation({ db, place: place(), keys, clock: () => new Date(now) })
    const [one, two] = await Promise.all([rotations(system('one')).begin(), rotations(system('two')).begin()])
    expect(two.next).toBe(one.next)
    now += 20_000
    expect(await rotations(system('one')).activate()).toMatchObject({ current: one.next, outdated: false })
    now += 20_000
    expect(await rotations(system('two')).finish()).not.toHaveProperty('old')
  })

  const together = name === 'postgres' ? ['on one folder', 'each with a folder of its own'] : []
  test.each(together)(
    'begun by processes at the same moment it is one change, and others are told: %s',
    async (how) => {
      const nodes = await Promise.all(
        ['a', 'b', 'c', 'd'].map((node) => startNode(how === 'on one folder' ? '' : node)),
      )
      try {
        for (const change of ['first', 'second']) {
          const ended = await Promise.allSettled(nodes.map(({ rotation }) => rotation.begin()))
          const begun = nodes.filter((_, n) => ended[n]?.status === 'fulfilled')
          const refused = ended.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
          for (const reason of refused)
            expect(reason, change).toMatchObject({ code: 'conflict', detail: expect.stringMatching(/somebody else/) })
          const state = await begun[0]?.rotation.state()
          for (const { rotation } of begun) expect(await rotation.begin()).toEqual(state)
          const written = nodes.find(
            ({ dataFolder }) => readKeyFile(join(dataFolder, 'key.secret.next'))?.id === state?.next,
          )
          now += 20_000
          expect(await written?.rotation.activate()).toMatchObject({ current: state?.next, outdated: false })
          now += 20_000
          for (const { dataFolder } of nodes)
            if (dataFolder !== written?.dataFolder)
              copyFileSync(join(written?.dataFolder ?? '', 'key.secret'), join(dataFolder, 'key.secret'))
          expect(await written?.rotation.finish()).not.toHaveProperty('old')
        }
      } finally {
        for (const node of nodes) await closeDatabase(node.db)
      }
    },
  )

  async function startNode(own: string) {
    const dataFolder = join(folder, own)
    mkdirSync(dataFolder, { recursive: true })
    await openKeys(db, place())
    if (own !== '') copyFileSync(join(folder, 'key.secret'), join(dataFolder, 'key.secret'))
    const at = openDatabase(url)
    return { db: at, dataFolder, rotation: rotationOf(await openKeys(at, { dataFolder }), at, { dataFolder }) }
  }

  test('cut off after any step, it goes on with the same key', async () => {
    const keys = await openKeys(db, place())
    await store(keys, 5)
    // The file was written, and then nothing.
    writeFileSync(join(folder, 'key.secret.next'), `${Buffer.alloc(32, 7).toString('base64')}\n`)
    expect(await unreadableIn(db, (await openKeys(db, place())).vault)).toEqual([])
    const { next } = await rotationOf(await openKeys(db, place())).begin()
    // Begun, and a new process.
    const again = rotationOf(await openKeys(db, place()))
    expect(await again.begin()).toMatchObject({ next })
    now += 20_000
    const before = readFileSync(join(folder, 'key.secret'))
    const made = readFileSync(join(folder, 'key.secret.next'))
    expect(await again.activate()).toMatchObject({ current: next })
    // Changed in the database, and the files are as they were.
    writeFileSync(join(folder, 'key.secret'), before)
    writeFileSync(join(folder, 'key.secret.next'), made)
    const keys2 = await openKeys(db, place())
    expect(readFileSync(join(folder, 'key.secret'))).toEqual(made)
    expect(await reseal(db, keys2.vault)).toMatchObject({ resealed: 5 })
    now += 20_000
    expect(await rotationOf(keys2).finish()).not.toHaveProperty('old')
    expect(await unreadableIn(db, (await openKeys(db, place())).vault)).toEqual([])
  })

  test('a secret of the environment is changed to what somebody says', async () => {
    const [one, two] = [Buffer.alloc(32, 8).toString('hex'), Buffer.alloc(32, 9).toString('base64')]
    const keys = await openKeys(db, { ...place(), keySecret: one })
    await store(keys, 2)
    const rotation = rotationOf(keys, db, { ...place(), keySecret: one })
    await expect(rotation.begin()).rejects.toMatchObject({ code: 'malformed' })
    await expect(rotation.begin('short')).rejects.toMatchObject({ code: 'malformed' })
    await expect(rotation.begin(one)).rejects.toMatchObject({ code: 'malformed' })
    await rotation.begin(two)
    now += 20_000
    expect(await rotation.activate()).toMatchObject({ source: 'environment', outdated: true })
    expect(await resealAll(keys)).toBe(2)
    now += 20_000
    await expect(rotation.finish()).rejects.toMatchObject({ code: 'conflict' })
    // Either is good until the old one is dropped.
    expect(await unreadableIn(db, (await openKeys(db, { ...place(), keySecret: one })).vault)).toEqual([])
    const restarted = await openKeys(db, { ...place(), keySecret: two })
    expect(await unreadableIn(db, restarted.vault)).toEqual([])
    await rotationOf(restarted, db, { ...place(), keySecret: two }).finish()
    await expect(openKeys(db, { ...place(), keySecret: one })).rejects.toThrow(/not the one/)
    expect(await unreadableIn(db, (await openKeys(db, { ...place(), keySecret: two })).vault)).toEqual([])
  })

  test('what was changed or moved to another row opens under no key', async () => {
    const keys = await openKeys(db, place())
    const rotation = rotationOf(keys)
    await rotation.begin()
    now += 20_000
    await rotation.activate()
    const sealed = keys.vault.seal(Buffer.from('secret'), 'a', 'b')
    expect(keys.vault.open(sealed, 'a', 'b').toString()).toBe('secret')
    expect(() => keys.vault.open(sealed, 'x', 'b')).toThrow()
    expect(() => keys.vault.open(sealed, 'a', 'x')).toThrow()
    for (let at = 0; at < sealed.length; at++) {
      const changed = Buffer.from(sealed)
      changed[at] = (changed[at] ?? 0) ^ 1
      expect(() => keys.vault.open(changed, 'a', 'b'), `octet ${at}`).toThrow()
    }
  })

  test('every column that holds something sealed is known', async () => {
    const other = openDatabase(url)
    const columns = await sealedLooking(other)
    await closeDatabase(other)
    const known = sealedColumns.map(({ table, column }) => `${table}.${column}`)
    // The adapter of FastPKI seals its sessions under a secret of its own, and parts of keys are what the change itself leaves.
    expect(columns.filter((column) => !known.includes(column))).toEqual([
      'fastpki_token_families.session',
      'key_secret_wraps.sealed',
    ])
  })
})

/** Blobs whose names say that they are secret. */
async function sealedLooking(db: Database): Promise<string[]> {
  const { readTables } = await import('../../src/db/portableTables.ts')
  const { sql } = await import('kysely')
  const tables = await readTables(db.dialect, async (text) => {
    const { rows } = await sql.raw<Record<string, unknown>>(text).execute(withTables<unknown>(db))
    return rows
  })
  return tables
    .flatMap(({ name, columns }) =>
      columns.filter(({ type }) => type === 'blob').map((column) => `${name}.${column.name}`),
    )
    .filter((name) => /sealed|secret|inbound_before|session$/.test(name))
    .sort()
}
