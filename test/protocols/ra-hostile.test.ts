import { expect, test } from 'vitest'
import { z } from 'zod'
import type { Operation } from '../../protocols/ra/operation.ts'
import { operations } from '../../protocols/ra/operations.ts'
import type { RaTables } from '../../protocols/ra/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { useRaApp } from '../helpers/raApp.ts'
import { newCsr } from '../helpers/world.ts'

/** Bodies, queries and paths that nobody honest sends: every operation refuses them in the form of the contract. */

const used = useRaApp()

const deep = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`

function fieldsOf(schema: z.ZodType | undefined): string[] {
  if (!schema) return []
  const { properties = {} } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  return Object.keys(properties)
}

/** What is answered with 500, or not in the form of the contract, to requests that an operation gets. */
async function troubles(
  requests: (operation: Operation) => { path: string; raw?: string }[],
): Promise<{ path: string; raw: string | undefined; said: string }[]> {
  const { app } = used
  const found = []
  for (const operation of operations) {
    for (const { path, raw } of requests(operation)) {
      const said = await app
        .call(operation.method, path, { by: app.admin, ...(raw === undefined ? {} : { raw }) })
        .then(
          ({ status, text }) => (status >= 500 ? `${status} ${text}` : ''),
          (error) => String(error).slice(0, 300),
        )
      if (said !== '') found.push({ path: `${operation.method} ${path}`, raw: raw?.slice(0, 100), said })
    }
  }
  return found
}

function placed(path: string): string {
  const { authority, profile } = used.app.place
  const known = path.replace('{authorityUuid}', authority).replace(/\{(?:name|raProfileName)\}/, 'rest')
  return known.replace(/\{\w+\}/g, profile)
}

test('JSON of a depth that nobody needs', async () => {
  const value = `[{"name":"x","content":[{"data":${deep(20_000)}}]}]`
  const found = await troubles(({ path, body }) => {
    if (!body) return []
    const fields = fieldsOf(body).map((field) => `${JSON.stringify(field)}:${value}`)
    return [{ path: placed(path), raw: fields.length === 0 ? value : `{${fields.join()}}` }]
  })
  expect(found).toEqual([])
})

test('a depth beside what an attribute is looked at for', async () => {
  const issueAttributes = [{ name: 'scan', contentType: 'file' }]
  const { path } = await used.app.save('files', { options: { issueAttributes } })
  const { der } = await newCsr(['deep.test'])
  const order = (data: string) =>
    `{"request":"${der.toString('base64')}","attributes":[{"name":"scan","content":[{"data":${data}}]}]}`
  const file = (more: string) => `{"content":"","fileName":"x","mimeType":"y","more":${more}}`
  const refused = await used.app.call('post', `${path}/certificates`, { raw: order(file(deep(50_000))) })
  expect(refused).toMatchObject({ status: 400, json: { message: expect.stringMatching(/deeper than 64 levels/) } })
  expect((await used.app.call('post', `${path}/certificates`, { raw: order(file('[]')) })).status).toBe(200)
})

test('a secret whose client does not say that it is one is not kept', async () => {
  const pin = [{ name: 'pin', contentType: 'secret' }]
  const options = { issueAttributes: pin, revokeAttributes: pin }
  const { path } = await used.app.save('pins', { options })
  const { call } = used.app
  const { der } = await newCsr(['pin.test'])
  const request = der.toString('base64')
  for (const contentType of [{}, { contentType: 'secret' }]) {
    const item = { data: { secret: 's3cr3t' }, ...contentType }
    const attributes = [{ name: 'pin', content: [item], version: 'contentType' in contentType ? 'v3' : 'v2' }]
    const { json: issued } = await call('post', `${path}/certificates`, { body: { request, attributes } })
    const renewed = await call('post', `${path}/certificates/${issued.uuid}/renew`, { body: { attributes } })
    const revoked = await call('post', `${path}/certificates/${issued.uuid}/revoke`, { body: { attributes } })
    expect([renewed.status, revoked.status]).toEqual([200, 204])
    const parked = await call('post', `${path}/certificates/register`, {
      body: { subjectAltName: 'DNS:pin.test', attributes },
    })
    for (const uuid of [issued.uuid, renewed.json.uuid, parked.json.uuid]) {
      const { text, json } = await call('get', `/v1/certificates/${uuid}`)
      expect(json.issueAttributes).toMatchObject([{ name: 'pin', contentType: 'secret' }])
      expect(text).not.toContain('s3cr3t')
    }
  }
  const kept = await withTables<RaTables>(used.app.world.it.db).selectFrom('ra_attributes').selectAll().execute()
  expect(kept.length).toBeGreaterThan(0)
  expect(JSON.stringify(kept)).not.toContain('s3cr3t')
})

test('names of a path that are members of every object, U+0000, slashes, and too long', async () => {
  const names = ['__proto__', '%00', '%2f', 'a'.repeat(201), '9'.repeat(20)]
  const found = await troubles(({ path, body }) =>
    path.includes('{')
      ? names.map((name) => ({ path: path.replace(/\{\w+\}/g, name), ...(body ? { raw: '{}' } : {}) }))
      : [],
  )
  expect(found).toEqual([])
})

test('queries that come twice, and values beyond every range', async () => {
  const values = ['%00', '%ED%A0%80', '__proto__', '9'.repeat(30), '-1', '1e400', '2026-02-30T00:00:00Z']
  const found = await troubles(({ path, query, body }) =>
    fieldsOf(query).flatMap((name) =>
      values.map((value) => ({
        path: `${placed(path)}?${name}=${value}&${name}=x`,
        ...(body ? { raw: '{}' } : {}),
      })),
    ),
  )
  expect(found).toEqual([])
})

const ssh = (kind: string) => {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(kind.length)
  return Buffer.concat([length, Buffer.from(kind), Buffer.alloc(200, 7)]).toString('base64')
}
const CERTIFICATE = 'ssh-ed25519-cert-v01@openssh.com'

test.each([
  ['a line of OpenSSH', `${CERTIFICATE} ${ssh(CERTIFICATE)} root@a.test\n`, 'SSH certificate'],
  ['its base64 alone', ssh('ecdsa-sha2-nistp256-cert-v01@openssh.com'), 'ecdsa-sha2-nistp256-cert-v01'],
  ['base64 of a line', Buffer.from(`${CERTIFICATE} ${ssh(CERTIFICATE)}`).toString('base64'), 'SSH certificate'],
  ['a key', `ssh-rsa ${ssh('ssh-rsa')}`, 'SSH key'],
  ['a key of RFC 4716', `---- BEGIN SSH2 PUBLIC KEY ----\n${ssh('ssh-rsa')}\n---- END SSH2 PUBLIC KEY ----`, 'SSH key'],
])('of SSH is refused by its name: %s', async (_, text, said) => {
  const { app } = used
  const by = app.admin
  const answers = [
    await app.call('post', '/v1/certificates/upload', { by, body: { certificate: text } }),
    await app.call('post', `${app.place.path}/certificates`, { by, body: { request: text, attributes: [] } }),
  ]
  for (const { status, json } of answers) {
    expect(status).toBe(422)
    expect(json[0]).toContain(said)
    expect(json[0]).toContain('X.509')
  }
})
