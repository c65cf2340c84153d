import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createCmpApp } from '../helpers/cmpApp.ts'
import { ecKey } from '../helpers/csrs.ts'
import { databases } from '../helpers/databases.ts'

const HOUR = 3_600_000

describe.each(databases)('CMP on nodes whose clocks differ, on $name', ({ open }) => {
  it('the order that waits is the latest that was made, not the one with the latest time', async () => {
    const { db, close } = await open()
    const app = await createCmpApp(db)
    const [key, mac] = [ecKey(), await app.secret()]
    const ask = () => app.ir({ dns: 'clocks.example', key }, { mac, transactionId: randomBytes(16) })
    app.world.time.pass(HOUR)
    await ask()
    await app.vote({ verdict: 'deny', reason: 'not this one' })
    app.world.time.pass(-HOUR)
    expect((await ask()).status).toBe('waiting')
    const before = await app.count()
    for (const _ of [1, 2]) expect((await ask()).status).toBe('waiting')
    expect(await app.count()).toBe(before)
    await app.close()
    await close()
  })
})
