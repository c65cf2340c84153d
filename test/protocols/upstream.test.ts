import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { upstream } from '../../protocols/upstream/index.ts'
import { useStatusServer } from '../helpers/statusServer.ts'
import { type UpstreamWorld, upstreamWorld } from '../helpers/upstreamWorld.ts'

const it = useStatusServer()
const path = (token: string) => `/.well-known/acme-challenge/${token}`
const token = Buffer.from('token of the order 0').toString('base64url')

describe('what a CA upstream looks for', () => {
  let at: UpstreamWorld
  beforeAll(async () => {
    at = await upstreamWorld(it.status.world, { proof: 'http-01' })
    at.small.authorizations = 'pending'
    await at.order(['www.example.org'])
    await at.run()
  })
  afterAll(() => at.small.close())

  test('is the key authorization of its token, and nothing around it', async () => {
    const answer = await it.status.ask(path(token))
    expect(answer.status).toBe(200)
    expect(answer.text).toMatch(new RegExp(`^${token}\\.[\\w-]{43}$`))
    expect(answer.headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    })
    const head = await it.status.ask(path(token), { method: 'HEAD' })
    expect([head.status, head.body.length]).toEqual([200, 0])
    const routed = await it.status.route(upstream, path(token))
    expect([routed.status, await routed.text()]).toEqual([200, answer.text])
  })

  test.each([
    ['another token', path('A'.repeat(43))],
    ['a part of it', path(token.slice(0, -1))],
    ['more than it', path(`${token}/x`)],
    ['a query', path(`${token}?x`)],
    ['none', '/.well-known/acme-challenge/'],
    ['none at all', '/.well-known/acme-challenge'],
    ['something long', path('A'.repeat(5_000))],
    ['something for SQL', path("x'%20or%20'1'='1")],
    ['something above', path('../../ca/issuing')],
  ])('%s is not there', async (_what, asked) => {
    expect((await it.status.ask(asked)).status).toBe(404)
    expect((await it.status.route(upstream, asked)).status).toBe(404)
  })

  test('is only read', async () => {
    const answer = await it.status.ask(path(token), { method: 'POST', body: 'x' })
    expect([answer.status, answer.headers.allow]).toEqual([405, 'GET, HEAD'])
  })
})
