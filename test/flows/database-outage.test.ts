import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AcmeTables } from '../../protocols/acme/tables.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { resumeSigning } from '../../src/core/upkeep/resume.ts'
import { closeDatabase, type Database, openDatabase } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { type AcmeApp, createAcmeApp } from '../helpers/acmeApp.ts'
import type { AcmeOrder, Reply } from '../helpers/acmeClient.ts'
import { createConsoleApp } from '../helpers/consoleApp.ts'
import { type DatabaseProxy, databaseProxy } from '../helpers/databaseProxy.ts'
import { databases } from '../helpers/databases.ts'
import { createEstApp, leafOf } from '../helpers/estApp.ts'
import { createRaApp } from '../helpers/raApp.ts'
import { auto, createScepApp } from '../helpers/scepApp.ts'
import { csrOf, device, readReply, scepMessage } from '../helpers/scepClient.ts'
import { newCsr, type World } from '../helpers/world.ts'

/** Every wire contract over a real PostgreSQL, whose connection breaks at a COMMIT: before it has come there, and after. */
interface Opened {
  db: Database
  proxy: DatabaseProxy
  close(): Promise<void>
}

async function behindProxy(): Promise<Opened> {
  const opened = await databases.find(({ name }) => name === 'postgres')?.open()
  if (!opened) throw new Error('no PostgreSQL')
  const proxy = await databaseProxy(opened.url)
  const db = openDatabase(proxy.url)
  return {
    db,
    proxy,
    async close() {
      await closeDatabase(db)
      await proxy.close()
      await opened.close()
    },
  }
}

/** Which COMMIT of a request breaks, and how; later ones than it has are never reached. */
const breaks = (['before', 'after'] as const).flatMap((where) => [0, 1, 2].map((nth) => ({ where, nth })))

/** What a crash of the node itself would leave to the next one is done here at once. */
async function resume({ it, time }: World): Promise<void> {
  time.pass(31_000)
  await resumeSigning(it)
}

async function certificatesOf(db: Database, name: string): Promise<number> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('certificates')
    .select('id')
    .where('identifiers', 'like', `%${name}%`)
    .execute()
  return rows.length
}

describe('ACME', () => {
  let opened: Opened
  let app: AcmeApp
  beforeAll(async () => {
    opened = await behindProxy()
    app = await createAcmeApp(opened.db)
  })
  afterAll(async () => {
    await app.close()
    await opened.close()
  })

  /** RFC 8555 section 6.5: the client asks again at once, with the nonce that comes with the refusal. */
  const expectOtherNonce = (reply: Reply) => {
    expect({ status: reply.status, json: reply.json }).toMatchObject({
      status: 400,
      json: { type: 'urn:ietf:params:acme:error:badNonce' },
    })
    expect(reply.headers.get('replay-nonce')).toMatch(/^[\w-]{20,}$/)
  }

  const expectAgain = (reply: Reply) => {
    // The COMMIT that broke was that of the nonce: it was tried again, and then it was spent.
    if (reply.status === 400) {
      expectOtherNonce(reply)
      return
    }
    expect(reply.status).toBe(503)
    expect(reply.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
    expect(reply.json).toMatchObject({ type: 'urn:ietf:params:acme:error:serverInternal' })
  }

  it.each(breaks)(
    'finalize, $where COMMIT $nth: 503 or the order, and then one certificate',
    async ({ where, nth }) => {
      const name = `acme-${where}-${nth}.localhost`
      const { client, order } = await app.ready([name])
      const csr = (await newCsr([name])).der
      await client.nonce()
      opened.proxy.breakCommit(where, nth)
      let reply = await client.finalize(order, csr)
      opened.proxy.heal()
      if (reply.status !== 200) expectAgain(reply)
      for (let tries = 0; (reply.json as unknown as AcmeOrder).status !== 'valid' && tries < 10; tries++) {
        reply = await client.post(order.url)
        const { status } = reply.json as unknown as AcmeOrder
        if (status === 'ready') reply = await client.finalize(order, csr)
        else if (status === 'processing') await resume(app.world)
        expect(['ready', 'processing', 'valid'], reply.text).toContain((reply.json as unknown as AcmeOrder).status)
      }
      expect(reply.json).toMatchObject({ status: 'valid' })
      expect(await certificatesOf(opened.db, name)).toBe(1)
    },
  )

  it.each(breaks.filter(({ nth }) => nth < 2))(
    'newAccount, $where COMMIT $nth: asked again, it is one account',
    async ({ where, nth }) => {
      const client = await app.client({ register: false })
      opened.proxy.breakCommit(where, nth)
      const first = await client.register()
      opened.proxy.heal()
      if (first.status >= 300) expectAgain(first)
      const again = await client.register()
      expect([200, 201]).toContain(again.status)
      if (where === 'after' && nth === 1) expect(again.status).toBe(200)
      expect((await client.post(again.headers.get('location') ?? '')).status).toBe(200)
    },
  )

  it('a nonce whose COMMIT broke is not taken twice: the client is given another, and nothing was ordered', async () => {
    const client = await app.client()
    const names = { identifiers: [{ type: 'dns', value: 'n.localhost' }] }
    const orders = () => withTables<AcmeTables>(opened.db).selectFrom('acme_orders').select('id').execute()
    const before = (await orders()).length
    const body = await client.jws(client.directory.newOrder ?? '', names)
    opened.proxy.breakCommit('after')
    expectOtherNonce(await client.send(client.directory.newOrder ?? '', body))
    expectOtherNonce(await client.send(client.directory.newOrder ?? '', body))
    expect(await orders()).toHaveLength(before)
    expect((await client.post(client.directory.newOrder ?? '', names)).status).toBe(201)
  })

  it('a nonce whose COMMIT did not get there is spent by another try: nobody notices', async () => {
    const client = await app.client()
    opened.proxy.breakCommit('before')
    const names = { identifiers: [{ type: 'dns', value: 'm.localhost' }] }
    expect((await client.post(client.directory.newOrder ?? '', names)).status).toBe(201)
  })

  it.each(['before', 'after'] as const)('a validation whose COMMIT broke %s it was stored is told', async (where) => {
    const client = await app.client()
    const order = await client.order([`${where}.v.localhost`])
    const { json } = await client.post(String(order.authorizations[0]))
    const challenges = json.challenges as { type: string; url: string; token: string }[]
    const { url = '', token } = challenges.find(({ type }) => type === 'http-01') ?? {}
    app.pages.set(`/.well-known/acme-challenge/${token}`, async () => {
      opened.proxy.breakCommit(where)
      return `${token}.${client.key.thumbprint}`
    })
    const { made } = opened.proxy
    expect((await client.post(url, {})).json).toMatchObject({ status: 'valid' })
    expect(opened.proxy.made).toBeGreaterThan(made)
    expect((await client.post(String(order.authorizations[0]))).json).toMatchObject({ status: 'valid' })
  })
})

it.each(breaks)(
  'EST, $where COMMIT $nth: 503 or the certificate, and the same for whoever asks again, with a challenge that is good once',
  async ({ where, nth }) => {
    const { app, opened } = await estOnce()
    const name = `est-${where}-${nth}.example.org`
    const challenge = await app.challenge({ dns: [name] })
    const wishes = { by: device(name, 'P-256'), subject: { CN: name }, basic: `device:${challenge}` }
    opened.proxy.breakCommit(where, nth)
    let answer = await app.enroll(wishes)
    opened.proxy.heal()
    if (answer.status !== 200) {
      expect([202, 503]).toContain(answer.status)
      expect(answer.headers['retry-after']).toMatch(/^[1-9]\d*$/)
    }
    for (let tries = 0; answer.status !== 200 && tries < 5; tries++) {
      answer = await app.enroll(wishes)
      if (answer.status !== 200) await resume(app.world)
    }
    expect(answer.status, answer.text).toBe(200)
    expect(leafOf(answer).identifiers).toEqual([{ type: 'dns', value: name }])
    expect(await certificatesOf(opened.db, name)).toBe(1)
  },
)

it.each(breaks)(
  'SCEP, $where COMMIT $nth: 503 or a CertRep, never a FAILURE, and the message sent again gets its certificate',
  async ({ where, nth }) => {
    const { app, opened } = await scepOnce()
    const name = `scep-${where}-${nth}.example.org`
    const by = device(name)
    const [to = Buffer.alloc(0)] = await app.caCertificates('auto')
    const data = csrOf(by, { subject: { CN: name } })
    const message = () => scepMessage({ to, by, data, transactionId: name })
    opened.proxy.breakCommit(where, nth)
    let answer = await app.post(await message(), 'auto')
    opened.proxy.heal()
    for (let tries = 0; tries < 6; tries++) {
      if (answer.status === 200) {
        const { pkiStatus, text } = await readReply(answer.body, by)
        expect(pkiStatus, text).not.toBe('FAILURE')
        if (pkiStatus === 'SUCCESS') break
        await resume(app.world)
      } else {
        expect(answer.status).toBe(503)
        expect(answer.headers['retry-after']).toMatch(/^[1-9]\d*$/)
        await resume(app.world)
      }
      answer = await app.post(await message(), 'auto')
    }
    expect((await readReply(answer.body, by)).pkiStatus).toBe('SUCCESS')
    expect(await certificatesOf(opened.db, name)).toBe(1)
  },
)

it('REST says 503 with Retry-After', async () => {
  const opened = await behindProxy()
  const ra = await createRaApp(opened.db)
  const { path } = await ra.save('rest')
  const request = (await newCsr(['rest.example.org'])).der.toString('base64')
  opened.proxy.refuse(true)
  opened.proxy.cut()
  const called = await ra.call('post', `${path}/certificates`, { body: { request, format: 'pkcs10', attributes: [] } })
  expect(called.status).toBe(503)
  expect(called.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
  opened.proxy.heal()
  await opened.close()
})

it('the console says that nobody knows what was done', async () => {
  const opened = await behindProxy()
  const app = await createConsoleApp(opened.db)
  await app.get('/console')
  opened.proxy.refuse(true)
  opened.proxy.cut()
  const page = await app.get('/console')
  expect(page.status).toBe(503)
  expect(page.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
  expect(page.text).toContain('look before you send it again')
  opened.proxy.heal()
  expect((await app.get('/console')).status).toBe(200)
  await opened.close()
})

const closing: (() => Promise<void>)[] = []
let est: Promise<{ app: Awaited<ReturnType<typeof createEstApp>>; opened: Opened }> | undefined
let scep: Promise<{ app: Awaited<ReturnType<typeof createScepApp>>; opened: Opened }> | undefined

function estOnce() {
  est ??= (async () => {
    const opened = await behindProxy()
    const app = await createEstApp(opened.db)
    closing.push(async () => {
      await app.close()
      await opened.close()
    })
    return { app, opened }
  })()
  return est
}

function scepOnce() {
  scep ??= (async () => {
    const opened = await behindProxy()
    const app = await createScepApp(opened.db)
    await app.save('auto', {}, { rules: { issue: auto, renew: auto, rekey: auto, revoke: auto, export: [] } })
    closing.push(async () => {
      await app.close()
      await opened.close()
    })
    return { app, opened }
  })()
  return scep
}

afterAll(async () => {
  for (const close of closing) await close()
})
