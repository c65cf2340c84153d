import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it } from 'vitest'
import { acme } from '../../protocols/acme/index.ts'
import { createAcmeApp } from '../helpers/acmeApp.ts'
import { databases } from '../helpers/databases.ts'

it('wire 51: newNonce without its database is a problem document, and says when to ask again', async () => {
  const postgres = databases.find(({ name }) => name === 'postgres')
  if (!postgres) throw new Error('there is no PostgreSQL to test with')
  const { db, close } = await postgres.open()
  const app = await createAcmeApp(db)
  const answer = acme.fast?.(app.host)
  await app.close()
  await close()
  const server = createServer((request, response) => answer?.(request, response)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/acme/default/new-nonce`
  try {
    const got = await fetch(url)
    expect(got.headers.get('content-type')).toBe('application/problem+json')
    expect(got.headers.get('link')).toContain('rel="index"')
    expect(await got.json()).toMatchObject({
      type: 'urn:ietf:params:acme:error:serverInternal',
      status: got.status,
      detail: expect.stringMatching(/server/),
    })
    expect([500, 503]).toContain(got.status)
    expect((await fetch(url, { method: 'HEAD' })).status).toBe(got.status)
  } finally {
    server.close()
    server.closeAllConnections()
  }
})
