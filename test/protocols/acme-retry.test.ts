import { describe, expect, it } from 'vitest'
import { useAcme } from '../helpers/acmeApp.ts'
import type { AcmeClient, Json } from '../helpers/acmeClient.ts'
import { openSqlite } from '../helpers/databases.ts'

const page = (token: string) => `/.well-known/acme-challenge/${token}`

// One database, because these wait for real queries.
describe('retries of ACME validations', () => {
  const acme = useAcme(openSqlite)

  async function offered(client: AcmeClient, name: string) {
    const order = await client.order([name])
    const [url = ''] = order.authorizations
    const { json } = await client.post(url)
    return { url, challenges: json.challenges as (Json & { token: string; url: string })[] }
  }

  it('section 8.2: what may pass is tried again after a pause, by a job', async () => {
    const client = await acme.app.client()
    const { url, challenges } = await offered(client, 'later.localhost')
    const [http] = challenges
    acme.app.pages.set(page(http?.token ?? ''), async () => undefined)
    const answer = await client.post(http?.url ?? '', {})
    expect(answer.json.status).toBe('processing')
    expect(answer.json).not.toHaveProperty('error')
    acme.app.world.time.pass(20_000)
    await acme.app.runJobs()
    const waiting = await client.post(http?.url ?? '')
    expect(waiting.json.status).toBe('processing')
    expect(Number(waiting.headers.get('retry-after'))).toBeGreaterThanOrEqual(4)
    acme.app.pages.set(page(http?.token ?? ''), `${http?.token}.${client.key.thumbprint}`)
    acme.app.world.time.pass(5_000)
    await acme.app.runJobs()
    expect((await client.post(url)).json.status).toBe('valid')
  })

  it('section 8.2: after the last try it is invalid, with the last error', async () => {
    const client = await acme.app.client()
    const { url, challenges } = await offered(client, 'never.localhost')
    const [http] = challenges
    acme.app.pages.set(page(http?.token ?? ''), async () => undefined)
    await client.post(http?.url ?? '', {})
    for (const seconds of [20, 5]) {
      expect((await client.post(url)).json.status).toBe('pending')
      acme.app.world.time.pass(seconds * 1000)
      await acme.app.runJobs()
    }
    const { json } = await client.post(http?.url ?? '')
    expect(json).toMatchObject({
      status: 'invalid',
      error: { type: 'urn:ietf:params:acme:error:incorrectResponse', detail: expect.stringContaining('503') },
    })
    expect(await acme.app.runJobs()).toBe(0)
  })

  it('wire 42: a second POST while it is processing asks for the next query at once', async () => {
    const client = await acme.app.client()
    const { challenges } = await offered(client, 'again.localhost')
    const [http] = challenges
    acme.app.pages.set(page(http?.token ?? ''), async () => undefined)
    await client.post(http?.url ?? '', {})
    acme.app.world.time.pass(20_000)
    await acme.app.runJobs()
    acme.app.pages.set(page(http?.token ?? ''), `${http?.token}.${client.key.thumbprint}`)
    expect((await client.post(http?.url ?? '', {})).json.status).toBe('processing')
    acme.app.world.time.pass(2_000)
    expect((await client.post(http?.url ?? '', {})).json.status).toBe('valid')
  })
})
