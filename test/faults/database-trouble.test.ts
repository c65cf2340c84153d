import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import Sqlite from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { long } from './crowd/random.ts'
import { type CrowdWorld, startCrowdWorld } from './crowd/world.ts'
import { type Orders, prepareOrders } from './trouble/contracts.ts'
import { expectServed, expectTold, expectUnavailable, logs, turns } from './trouble/watched.ts'

const root = process.getuid?.() === 0

/** A folder on a disk of its own, of so many MiB; without the right to mount one, a folder. */
function smallDisk(size: number): { folder: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-disk-'))
  if (root) execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}m`, 'tmpfs', folder])
  return {
    folder,
    remove() {
      if (root) execFileSync('umount', ['-l', folder])
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

describe('an SQLite database in trouble', () => {
  let world: CrowdWorld
  let orders: Orders
  let file = ''
  const disk = smallDisk(24)

  beforeAll(async () => {
    file = join(disk.folder, 'countersign.sqlite')
    world = await startCrowdWorld(file)
    orders = await prepareOrders(world)
    await expectServed(orders, 'first')
  }, 120_000)
  afterAll(async () => {
    await world.server.stop()
    disk.remove()
  })

  /** Nothing more can be written: the disk is full, or, where none could be mounted, no file of the process may grow. */
  function fill(): () => void {
    if (!root) {
      const limit = (size: string) => execFileSync('prlimit', ['--pid', String(world.server.pid), `--fsize=${size}`])
      limit('1:unlimited')
      return () => limit('unlimited:unlimited')
    }
    const filler = join(disk.folder, 'filler')
    const handle = openSync(filler, 'w')
    for (let size = 1 << 20; size >= 512; size /= 2) {
      try {
        for (;;) writeSync(handle, Buffer.alloc(size))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      }
    }
    closeSync(handle)
    return () => rmSync(filler)
  }

  it('the disk is full: 503 over every contract, not ready; it goes on when there is room', {
    timeout: 90_000,
  }, async () => {
    const makeRoom = fill()
    try {
      await expectUnavailable(orders, 'full')
      await turns(world, 503)
    } finally {
      makeRoom()
    }
    await logs(world, root ? /not ready: .*its disk is full: make room there/ : /not ready: .*limits on sizes/)
    await turns(world, 200)
    await expectServed(orders, 'room')
    await expectTold(world, 'database', /took no writes from .* its disk/)
  })

  // By the limit of the system on sizes of files: at length only, for it is the same way through.
  if (long)
    it('no file of the process may grow: the same', { timeout: 90_000 }, async () => {
      const limit = (size: string) => execFileSync('prlimit', ['--pid', String(world.server.pid), `--fsize=${size}`])
      limit('1:unlimited')
      await expectUnavailable(orders, 'limited')
      await turns(world, 503)
      await logs(world, /not ready: .*limits on sizes of files/)
      limit('unlimited:unlimited')
      await turns(world, 200)
      await expectServed(orders, 'unlimited')
    })

  it('another process holds the lock: 503 after five seconds, not ready, and on it goes', {
    timeout: 90_000,
  }, async () => {
    const other = new Sqlite(file)
    try {
      other.exec('begin immediate')
      await expectUnavailable(orders, 'locked')
      await turns(world, 503)
      await logs(world, /not ready: .*another process holds its lock: end that one/)
    } finally {
      other.close()
    }
    await turns(world, 200)
    await expectServed(orders, 'free')
  })

  it('slow, for another process takes the lock again and again: every order is served', {
    timeout: 90_000,
  }, async () => {
    const other = new Sqlite(file)
    let over = false
    const hold = async () => {
      while (!over) {
        other.exec('begin immediate')
        await delay(400)
        other.exec('rollback')
        await delay(60)
      }
    }
    const holding = hold()
    await expectServed(orders, 'slow')
    await expectServed(orders, 'slower')
    over = true
    await holding
    other.close()
  })

  it('the file is moved away: nothing is written until it is back', { timeout: 90_000 }, async () => {
    renameSync(file, `${file}.away`)
    await delay(150)
    await expectUnavailable(orders, 'moved')
    await turns(world, 503)
    await logs(world, /its file .*countersign\.sqlite is gone: put it back where it was/)
    renameSync(`${file}.away`, file)
    await turns(world, 200)
    await expectServed(orders, 'back')
    await expectTold(world, 'database', /is gone/)
  })

  it('without its database or its key a server does not start, and says what to do', { timeout: 90_000 }, async () => {
    const { server } = world
    const key = join(server.dataFolder, 'key.secret')
    await server.kill('SIGTERM')
    for (const [missing, says] of [
      [file, /the database .* is missing, though .* put it back, or restore a backup/],
      [key, /key\.secret is missing.*bring it back from your backup/s],
    ] as const) {
      renameSync(missing, `${missing}.away`)
      await expect(server.restart()).rejects.toThrow(says)
      renameSync(`${missing}.away`, missing)
    }
    await server.restart()
    await expectServed(orders, 'again')
  })
})
