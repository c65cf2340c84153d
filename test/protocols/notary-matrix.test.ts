import { describe, expect, test } from 'vitest'
import { createNotaryMetrics } from '../../protocols/notary/metrics.ts'
import { operations } from '../../protocols/notary/operations.ts'
import { ACCOUNTS, AUTHORITIES, PASSWORD, REQUESTS, useNotaryApp } from '../helpers/notaryApp.ts'

const it = useNotaryApp()

type Row = [method: string, path: string, allowed: string, make?: () => Promise<{ id?: number; body?: unknown }>]

const request = async () => ({ id: await it.app.request('matrix.test') })
const signed = async () => {
  const { id } = await request()
  const body = { certificate_authority_id: String(it.app.issuing) }
  await it.app.result('POST', `${REQUESTS}/${id}/sign`, { by: it.app.admin, body })
  return { id }
}
const authority = async (self_signed = true) => {
  const body = { self_signed, common_name: 'Matrix CA' }
  return { id: (await it.app.result('POST', AUTHORITIES, { by: it.app.admin, body })).id as number }
}
let accounts = 0
const accountBody = () => {
  accounts += 1
  return { email: `matrix-${accounts}@notary.test`, password: PASSWORD, role_id: 3 }
}
const account = async () => ({
  id: (await it.app.result('POST', ACCOUNTS, { by: it.app.admin, body: accountBody() })).id as number,
})

/** The contract's table: digits are the roles that may. */
const rows: Row[] = [
  ['GET', REQUESTS, '0123'],
  ['POST', REQUESTS, '012', async () => ({ body: { csr: await it.app.csr('matrix.test') } })],
  ['GET', `${REQUESTS}/:id`, '013', request],
  ['DELETE', `${REQUESTS}/:id`, '01', request],
  ['POST', `${REQUESTS}/:id/certificate`, '01', async () => ({ ...(await request()), body: { certificate: 'x' } })],
  ['DELETE', `${REQUESTS}/:id/certificate`, '01', signed],
  ['POST', `${REQUESTS}/:id/reject`, '01', request],
  [
    'POST',
    `${REQUESTS}/:id/sign`,
    '01',
    async () => {
      const { id } = await authority()
      return { ...(await request()), body: { certificate_authority_id: String(id) } }
    },
  ],
  ['POST', `${REQUESTS}/:id/certificate/revoke`, '01', signed],
  ['GET', AUTHORITIES, '013'],
  ['POST', AUTHORITIES, '01', async () => ({ body: { self_signed: true, common_name: 'Matrix CA' } })],
  ['GET', `${AUTHORITIES}/:id`, '013', authority],
  ['PUT', `${AUTHORITIES}/:id`, '01', async () => ({ ...(await authority()), body: { enabled: false } })],
  ['DELETE', `${AUTHORITIES}/:id`, '01', authority],
  [
    'POST',
    `${AUTHORITIES}/:id/certificate`,
    '01',
    async () => ({ ...(await authority(false)), body: { certificate_chain: 'x' } }),
  ],
  [
    'POST',
    `${AUTHORITIES}/:id/sign`,
    '01',
    async () => {
      const parent = await authority()
      return { ...(await authority(false)), body: { certificate_authority_id: String(parent.id) } }
    },
  ],
  ['POST', `${AUTHORITIES}/:id/revoke`, '01', authority],
  ['GET', ACCOUNTS, '0'],
  ['POST', ACCOUNTS, '0', async () => ({ body: accountBody() })],
  ['GET', `${ACCOUNTS}/:id`, '0', account],
  ['DELETE', `${ACCOUNTS}/:id`, '0', account],
  [
    'POST',
    `${ACCOUNTS}/:id/change_password`,
    '0',
    async () => ({ ...(await account()), body: { password: 'Another-Horse-8' } }),
  ],
  ['PUT', `${ACCOUNTS}/:id/role`, '0', async () => ({ ...(await account()), body: { role_id: 2 } })],
  ['GET', `${ACCOUNTS}/me`, '0123'],
  ['POST', `${ACCOUNTS}/me/change_password`, '0123', async () => ({ body: { password: 'Another-Horse-8' } })],
  ['GET', '/api/v1/config', '0123'],
  ['GET', '/api/v1/acme_servers', '013'],
]

const open = ['GET /status', 'POST /login', 'POST /logout', 'GET /metrics', `GET ${AUTHORITIES}/:id/crl`]

/** What the caller is allowed to ask may still be wrong, as these are: a chain that is none, what cannot be revoked, a password without the present one. */
const passed = (status: number) => status < 300 || status === 400 || status === 422

describe('who may do what', () => {
  test('the rows are all operations that there are', () => {
    const all = operations(createNotaryMetrics(it.app.host))
    const shown = all.map(({ method, path }) => `${method.toUpperCase()} ${path}`)
    expect(shown.sort()).toEqual([...rows.map(([method, path]) => `${method} ${path}`), ...open].sort())
    const asked = all.filter(({ roles }) => roles !== 'public')
    expect(asked).toHaveLength(rows.length)
  })

  test.each(rows)('%s %s: the roles %s, and nobody without a token', async (method, path, allowed, make) => {
    const tokens = [it.app.admin, it.app.manager, it.app.requestor, it.app.reader]
    for (const [role, by] of tokens.entries()) {
      const { id, body } = (await make?.()) ?? {}
      const target = path.replace(':id', String(id))
      // The requestor of these tests has made the requests: by another one it is a matter of notary-requests.
      const own = role === 2 && method === 'GET' && path === `${REQUESTS}/:id`
      const { status, json } = await it.app.call(method, target, { by, body })
      if (own || allowed.includes(String(role))) expect(passed(status), `role ${role}: ${status}`).toBe(true)
      else {
        expect(status, `role ${role}`).toBe(403)
        expect(json.error).toBe('forbidden: insufficient permissions')
      }
      expect(await it.app.call(method, target, { body })).toMatchObject({
        status: 401,
        json: { error: 'Unauthorized' },
      })
    }
  })

  test.each(rows.filter(([, path]) => path.includes(':id')))(
    '%s %s: of another organization there is nothing',
    async (method, path, _, make) => {
      const { id, body } = (await make?.()) ?? {}
      const target = path.replace(':id', String(id))
      const { status, json } = await it.app.call(method, target, { by: it.app.stranger, body })
      expect({ status, error: json.error }).toEqual({ status: 404, error: 'Not Found' })
    },
  )

  test('lists of another organization are empty', async () => {
    for (const path of [REQUESTS, AUTHORITIES])
      expect(await it.app.result('GET', path, { by: it.app.stranger })).toEqual([])
    const own = await it.app.result('GET', ACCOUNTS, { by: it.app.stranger })
    expect(own.map(({ email }: { email: string }) => email)).toEqual(['stranger@elsewhere.test'])
  })

  test('a request of an organization without a profile that serves Notary says what to do', async () => {
    const refused = await it.app.call('POST', REQUESTS, {
      by: it.app.stranger,
      body: { csr: await it.app.csr('stranger.test') },
    })
    expect(refused).toMatchObject({
      status: 422,
      json: { error: expect.stringContaining('add the protocol "notary"') },
    })
  })

  test.each(open)('%s is open to all', async (operation) => {
    const [method = '', path = ''] = operation.split(' ')
    const body = path === '/login' ? { body: { email: 'admin', password: PASSWORD } } : {}
    const { status } = await it.app.call(method, path.replace(':id', String(it.app.issuing)), body)
    expect(status).toBe(200)
  })
})
