import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makeBackup } from '../../src/cli/backup/backup.ts'
import { restore } from '../../src/cli/backup/place.ts'
import { type CompositionConfig, compose } from '../../src/compose.ts'
import { type Config, readConfig } from '../../src/config.ts'
import { system } from '../../src/core/requester.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import type { KeyRotationState } from '../../src/core/upkeep/keyRotation.ts'
import { countOtherwise, reseal, unreadableIn } from '../../src/core/upkeep/sealedColumns.ts'
import { closeDatabase, type Database, openDatabase } from '../../src/db/open.ts'
import { openSnapshot } from '../../src/db/snapshot.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { createKeyRotation } from '../../src/key/keyRotation.ts'
import { openKeys } from '../../src/key/keySecret.ts'
import { createLog } from '../../src/log.ts'
import { databases } from '../helpers/databases.ts'

const passphrase = 'correct horse battery'
const configOf = (folder: string, databaseUrl?: string): Config =>
  readConfig({ env: { COUNTERSIGN_DATA: folder, ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }) } })

describe.each(databases)('keys of a restore into $name', ({ name, openEmpty }) => {
  let source: string
  let target: string
  let url: string | undefined
  let close: () => Promise<void>
  let hour: number
  beforeEach(async () => {
    const empty = await openEmpty()
    close = empty.close
    url = name === 'postgres' ? empty.url : undefined
    await closeDatabase(empty.db)
    source = mkdtempSync(join(tmpdir(), 'countersign-from-'))
    target = mkdtempSync(join(tmpdir(), 'countersign-into-'))
    hour = 0
  })
  afterEach(async () => {
    await close()
    for (const folder of [source, target]) rmSync(folder, { recursive: true })
  })

  const text = (folder: string, file: string) => readFileSync(join(folder, file), 'utf8')
  const databaseIn = (folder: string) => (folder === target && url) || join(folder, 'countersign.sqlite')

  async function within<T>(folder: string, work: (db: Database) => Promise<T>): Promise<T> {
    const db = openDatabase(databaseIn(folder))
    try {
      return await work(db)
    } finally {
      await closeDatabase(db)
    }
  }

  /** A rotation whose clock goes on by an hour with every look. */
  async function rotationIn(folder: string, db: Database) {
    const place = { dataFolder: folder }
    const keys = await openKeys(db, place)
    const clock = () => new Date(Date.now() + ++hour * 3_600_000)
    return { keys, rotation: createKeyRotation({ db, place, keys, clock })(system('test')) }
  }

  /** An installation with sealed keys whose key-encryption key is being changed. */
  async function changing(folder: string, how: 'begun' | 'cut off' | 'changed'): Promise<KeyRotationState> {
    const config: CompositionConfig = { dataFolder: folder, httpBaseUrl: 'http://localhost' }
    const at = folder === target && url !== undefined ? { ...config, databaseUrl: url } : config
    const made = await compose(at, createLog('silent'), () => {})
    await made.close()
    return within(folder, async (db) => {
      const { rotation } = await rotationIn(folder, db)
      const begun = await rotation.begin()
      if (how === 'begun') return begun
      const before = ['key.secret', 'key.secret.next'].map((file) => [file, readFileSync(join(folder, file))] as const)
      const changed = await rotation.activate()
      if (how === 'cut off') for (const [file, octets] of before) writeFileSync(join(folder, file), octets)
      return changed
    })
  }

  const restored = (file: string, replace = false) =>
    restore({ config: configOf(target, url), file, passphrase, replace })

  async function backup(): Promise<string> {
    const file = join(source, 'a.backup')
    await makeBackup(configOf(source), file, passphrase)
    return file
  }

  /** Brings the change to its end where it was restored, and opens everything. */
  async function finished(): Promise<KeyRotationState> {
    return within(target, async (db) => {
      const { keys, rotation } = await rotationIn(target, db)
      expect(await unreadableIn(db, keys.vault)).toEqual([])
      await rotation.begin()
      await rotation.activate()
      let cursor: Awaited<ReturnType<typeof reseal>>['next']
      do cursor = (await reseal(db, keys.vault, cursor)).next
      while (cursor)
      expect(await countOtherwise(db, keys.vault)).toBe(0)
      const end = await rotation.finish()
      const later = await openKeys(db, { dataFolder: target })
      expect(await unreadableIn(db, later.vault)).toEqual([])
      return end
    })
  }

  test.each(['begun', 'cut off', 'changed'] as const)('a change of the key that was %s goes on', async (how) => {
    const { current, next } = await changing(source, how)
    await restored(await backup())
    expect(existsSync(join(target, 'restore.staged'))).toBe(false)
    expect(await finished()).toMatchObject({ current: next ?? current, outdated: false })
    expect(readdirSync(target).filter((file) => file.startsWith('key.'))).toEqual(['key.secret'])
  })

  test('what is stopped leaves the files of a change that is under way here', async () => {
    await changing(source, 'begun')
    const wrong = await backup()
    const { next } = await changing(target, 'begun')
    const files = ['key.secret', 'key.secret.next'].map((file) => text(target, file))
    await expect(stopped(wrong)).rejects.toThrow()
    expect(['key.secret', 'key.secret.next'].map((file) => text(target, file))).toEqual(files)
    expect(await finished()).toMatchObject({ current: next, outdated: false })
  })

  /** At its last moment: somebody has the file open, or the key in the backup is another one. */
  async function stopped(file: string): Promise<unknown> {
    if (name === 'postgres') {
      copyFileSync(join(source, 'key.secret.next'), join(source, 'key.secret'))
      rmSync(join(source, 'key.secret.next'))
      writeFileSync(join(source, 'key.secret'), `${Buffer.alloc(32, 5).toString('base64')}\n`)
      rmSync(file)
      return restored(await backup(), true)
    }
    const reader = await openSnapshot(databaseIn(target))
    try {
      await within(target, (db) =>
        transaction(db, (db) =>
          withTables<CoreTables>(db).insertInto('settings').values({ name: 'x', value: 'y' }).execute(),
        ),
      )
      return await restored(file, true)
    } finally {
      await reader.close()
    }
  }

  test('in place of another installation whose key is being changed: both its keys are kept with its database', async () => {
    const { next } = await changing(source, 'begun')
    const file = await backup()
    await changing(target, 'begun')
    const files = ['key.secret', 'key.secret.next'].map((file) => text(target, file))
    const { before } = await restored(file, true)
    if (before !== undefined) expect(['key.secret', 'key.secret.next'].map((file) => text(before, file))).toEqual(files)
    expect(before === undefined).toBe(name === 'postgres')
    expect(await finished()).toMatchObject({ current: next, outdated: false })
  })

  test('cut off between the database and the files, a start puts these in place', async () => {
    const { next } = await changing(source, 'begun')
    const file = await backup()
    await changing(target, 'begun')
    const files = ['key.secret', 'key.secret.next'].map((file) => [file, text(target, file)] as const)
    await restored(file, true)
    for (const [file, old] of files) {
      copyFileSync(join(target, file), join(target, `${file}.restored`))
      writeFileSync(join(target, file), old)
    }
    expect(await finished()).toMatchObject({ current: next, outdated: false })
  })

  test('half a file of a restore or a change that was cut off stops no start', async () => {
    await changing(source, 'changed')
    await restored(await backup())
    for (const file of ['key.secret.next', 'key.secret.restored']) writeFileSync(join(target, file), 'aGFs')
    expect(await within(target, async (db) => (await openKeys(db, { dataFolder: target })).own().id)).toMatch(
      /^\w{16}$/,
    )
  })
})
