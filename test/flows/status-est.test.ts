import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readSignRequest } from '../../src/core/request/records.ts'
import { system } from '../../src/core/requester.ts'
import { databases } from '../helpers/databases.ts'
import { createEstApp, type EstApp, leafOf, PASSWORD } from '../helpers/estApp.ts'
import { device } from '../helpers/scepClient.ts'
import { type Driven, reasons, statusDrive } from '../helpers/statusDrive.ts'
import { signStatusTable } from '../helpers/statusTable.ts'

describe.each(databases)('the status table in EST on $name', ({ open }) => {
  let opened: Awaited<ReturnType<typeof open>>
  let app: EstApp

  beforeAll(async () => {
    opened = await open()
    app = await createEstApp(opened.db)
  })
  afterAll(async () => {
    await app.close()
    await opened.close()
  })

  const door = () => app.world.core.as(system('test'))

  const drive = (status: Driven, id: number) => statusDrive(app.world, app.vote)[status](id)

  it('knows no draft', () => expect(signStatusTable.draft.est).toBeUndefined())

  const cells = Object.entries(signStatusTable).flatMap(([status, { est }]) =>
    est && status !== 'draft' ? [{ status: status as Driven, cell: est }] : [],
  )

  it.each(cells)(
    '18: a request that is $status is answered by $cell.status, when it is repeated',
    async ({ status, cell }) => {
      const name = `${status}.example.org`
      const wishes = { by: device(`est ${status}`, 'P-256'), subject: { CN: name }, basic: `maker:${PASSWORD}` }
      expect((await app.enroll(wishes)).status).toBe(202)
      const id = await app.newest()
      await drive(status, id)
      expect((await readSignRequest(opened.db, id)).status).toBe(status)
      const before = await app.count()
      const answer = await app.enroll(wishes)
      expect(answer.status).toBe(cell.status)
      const { 'retry-after': retryAfter } = answer.headers
      expect(retryAfter !== undefined).toBe(cell.retryAfter)
      if (cell.retryAfter) expect(retryAfter).toMatch(/^[1-9]\d*$/)
      if (cell.status === 200) expect(leafOf(answer).identifiers).toEqual([{ type: 'dns', value: name }])
      else expect(answer.headers['content-type']).toMatch(/^text\/plain/)
      if (cell.status > 202) expect(answer.text).toContain(reasons[status] ?? 'in time')
      expect((await readSignRequest(opened.db, id)).status, 'asking moves nothing').toBe(status)
      expect(await app.count()).toBe(before)
    },
  )

  it('a failure that the client was told of is not retried behind its back', async () => {
    const wishes = { by: device('est told', 'P-256'), subject: { CN: 'told.example.org' }, basic: `maker:${PASSWORD}` }
    await app.enroll(wishes)
    const id = await app.newest()
    await drive('failed', id)
    await app.enroll(wishes)
    await expect(door().approvals.retry('sign', id)).rejects.toMatchObject({ code: 'conflict' })
  })

  it('18: a device that signs its request anew for each connection is known by its key and names', async () => {
    const wishes = { by: device('est anew', 'P-256'), dns: ['anew.example.org'], basic: `maker:${PASSWORD}` }
    await app.enroll(wishes)
    const before = await app.count()
    // ECDSA signatures are never the same twice.
    expect((await app.enroll(wishes)).status).toBe(202)
    expect(await app.count()).toBe(before)
    await app.enroll({ ...wishes, by: device('est another key', 'P-256') })
    await app.enroll({ ...wishes, dns: ['anew.example.org', 'more.example.org'] })
    expect(await app.count()).toBe(before + 2)
  })

  it("is no way to read another client's answer: by another password it is another request", async () => {
    const by = device('est shared', 'P-256')
    const challenge = await app.challenge({ dns: ['shared.example.org'] })
    const wishes = { by, subject: { CN: 'shared.example.org' } }
    expect((await app.enroll({ ...wishes, basic: `x:${challenge}` })).status).toBe(200)
    expect((await app.enroll({ ...wishes, basic: `maker:${PASSWORD}` })).status).toBe(202)
  })

  it('40 devices at once, of which people approve 10: each gets its own certificate and none another one', async () => {
    const basic = `maker:${await app.token()}`
    const wishes = Array.from({ length: 40 }, (_, i) => ({
      by: device(`est crowd ${i}`, 'P-256'),
      subject: { CN: `crowd-${i}.example.org` },
      basic,
    }))
    const first = await Promise.all(wishes.map((wish) => app.enroll(wish)))
    expect(new Set(first.map(({ status }) => status))).toEqual(new Set([202]))
    const newest = await app.newest()
    for (let id = newest; id > newest - 10; id--) await app.voteOn(id)
    const second = await Promise.all(wishes.map((wish) => app.enroll(wish)))
    const issued = second.flatMap((answer, i) => (answer.status === 200 ? [{ i, leaf: leafOf(answer) }] : []))
    expect(issued).toHaveLength(10)
    for (const { i, leaf } of issued)
      expect(leaf.identifiers).toEqual([{ type: 'dns', value: `crowd-${i}.example.org` }])
  })
})
