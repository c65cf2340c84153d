import { beforeAll, describe, expect, test } from 'vitest'
import type { TokenScope } from '../../src/core/identity/tokenScope.ts'
import { doorOf, REQUESTS, useNotaryApp } from '../helpers/notaryApp.ts'

const it = useNotaryApp()
const EMAIL = 'manager@notary.test'

async function limited(name: string, scope: TokenScope): Promise<string> {
  const { admin } = await doorOf(it.app, EMAIL)
  return (await admin.createToken({ user: EMAIL, name, scope })).text
}

/** Of the requestor, signed by the administrator. */
async function active(name: string): Promise<number> {
  const id = await it.app.request(name)
  const body = { certificate_authority_id: String(it.app.issuing) }
  await it.app.result('POST', `${REQUESTS}/${id}/sign`, { by: it.app.admin, body })
  return id
}

const show = (id: number) => it.app.call('GET', `${REQUESTS}/${id}`, { by: it.app.manager })
const orders = async (name: string) =>
  (await (await doorOf(it.app, 'admin')).list.requests({ kind: 'sign' })).rows.filter(({ names }) =>
    names.includes(name),
  )

describe.each([
  ['reads', { capabilities: ['read'] }],
  ['only reads', { capabilities: ['read', 'manage', 'approve', 'create_cert'], readOnly: true }],
  ['orders', { capabilities: ['read', 'create_cert'] }],
] satisfies [string, TokenScope][])('a manager’s token that %s', (what, scope) => {
  let by: string
  const name = `${what.replaceAll(' ', '-')}.limited.test`

  beforeAll(async () => {
    by = await limited(what, scope)
  })

  test('deletes no certificate: nothing is ordered in the name of whoever asked', async () => {
    const id = await active(name)
    const { certificate_chain: chain } = (await show(id)).json.result
    expect((await it.app.call('DELETE', `${REQUESTS}/${id}/certificate`, { by })).status).toBe(403)
    expect((await show(id)).json.result).toMatchObject({ status: 'Active', certificate_chain: chain })
    expect(await orders(name)).toHaveLength(1)
  })

  test('deletes no certificate request', async () => {
    const id = await active(`gone.${name}`)
    expect((await it.app.call('DELETE', `${REQUESTS}/${id}`, { by })).status).toBe(403)
    expect((await show(id)).status).toBe(200)
  })
})
