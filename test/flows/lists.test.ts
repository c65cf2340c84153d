import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { administrator } from '../helpers/cliUsers.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'

let server: ServerProcess
let token: string

beforeAll(async () => {
  server = await startServer()
  token = (await administrator(server)).token
})
afterAll(() => server?.stop())

interface Listed {
  certificates: { commonName: string }[]
  totalItems: number
}

function list(filters: object[]): Promise<{ status: number | undefined; body: Listed }> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const options = { method: 'POST', headers, ca: readFileSync(server.rootPem) }
    const asked = request(`${server.baseUrl}/api/v1/certificates`, options, (response) => {
      text(response).then((body) => resolve({ status: response.statusCode, body: JSON.parse(body) }), reject)
    })
    asked.on('error', reject)
    asked.end(JSON.stringify({ filters }))
  })
}

const commonName = (condition: string, value: string) => ({
  fieldSource: 'property',
  fieldIdentifier: 'COMMON_NAME',
  condition,
  value,
})

// Lists are read in a thread, whose file stands beside the bundle: only here is it started from there.
test('a bundled server lists what it issued, all, by a part of a name, by a regular expression, and nothing', async () => {
  const all = await list([])
  expect(all.status).toBe(200)
  expect(all.body.totalItems).toBeGreaterThan(1)
  expect(all.body.certificates).toHaveLength(all.body.totalItems)
  const names = all.body.certificates.map(({ commonName }) => commonName)
  const name = names.find((name) => name.length > 5) ?? ''
  const alike = names.filter((one) => one.includes(name.slice(1, -1))).length
  expect((await list([commonName('CONTAINS', name.slice(1, -1))])).body.totalItems).toBe(alike)
  expect(
    (await list([commonName('MATCHES', `^${name.slice(0, 3)}.*${name.slice(-1)}$`)])).body.totalItems,
  ).toBeGreaterThan(0)
  expect((await list([commonName('CONTAINS', 'nowhere-to-be-found')])).body).toMatchObject({
    certificates: [],
    totalItems: 0,
  })
})
