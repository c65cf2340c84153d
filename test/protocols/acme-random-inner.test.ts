import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { useAcme } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import { newKey } from '../helpers/acmeKeys.ts'
import { opensslCsr } from '../helpers/csrs.ts'
import { openSqlite } from '../helpers/databases.ts'
import { newCsr } from '../helpers/world.ts'

const bytes = fc.uint8Array({ maxLength: 400 }).map((octets) => Buffer.from(octets))

/** Changed, cut or longer at one place. */
const damage = fc.record({
  at: fc.nat(),
  how: fc.constantFrom('change', 'cut', 'add', 'repeat'),
  octet: fc.integer({ min: 1, max: 255 }),
})

function damaged(good: Buffer, { at, how, octet }: { at: number; how: string; octet: number }): Buffer {
  const place = at % good.length
  switch (how) {
    case 'cut':
      return good.subarray(0, place)
    case 'add':
      return Buffer.concat([good.subarray(0, place), Buffer.of(octet), good.subarray(place)])
    case 'repeat':
      return Buffer.concat([good, good.subarray(place)])
    default: {
      const changed = Buffer.from(good)
      changed[place] = (changed[place] ?? 0) ^ octet
      return changed
    }
  }
}

describe('anything at all, inside a request that is well signed', () => {
  const acme = useAcme(openSqlite)

  it('random octets as CSR are badCSR, and the order stays ready', async () => {
    const { client, order } = await acme.app.ready(['csr.localhost'])
    await fc.assert(
      fc.asyncProperty(bytes, async (octets) => expectProblem(await client.finalize(order, octets), 400, 'badCSR')),
      { numRuns: 150 },
    )
    expect((await client.post(order.url)).json.status).toBe('ready')
  })

  it('a CSR with one octet changed, cut or added is badCSR, and the order stays ready', async () => {
    const { client, order } = await acme.app.ready(['csr.localhost'])
    const san = ['-addext', 'subjectAltName=DNS:csr.localhost', '-addext', 'keyUsage=digitalSignature']
    const csrs = [(await newCsr(['csr.localhost'])).der, opensslCsr(['rsa:2048'], '/O=Test/CN=csr.localhost', san)]
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...csrs), damage, async (csr, harm) =>
        expectProblem(await client.finalize(order, damaged(csr, harm)), 400, 'badCSR'),
      ),
      { numRuns: 200 },
    )
    expect((await client.post(order.url)).json.status).toBe('ready')
  })

  it('random text as CSR is malformed or badCSR', async () => {
    const { client, order } = await acme.app.ready(['csr.localhost'])
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), fc.base64String()), async (csr) => {
        const reply = await client.post(order.finalize, { csr })
        expect(reply.json, csr).toMatchObject({ type: expect.stringMatching(/:(malformed|badCSR)$/), status: 400 })
      }),
      { numRuns: 100 },
    )
  })

  it('random octets, and a certificate of ours with one changed, cut or added, are no certificate to revoke', async () => {
    const { client, order } = await acme.app.ready(['kept.localhost'])
    const { json } = await client.finalize(order, (await newCsr(['kept.localhost'])).der)
    const [, pem = ''] =
      /-----BEGIN CERTIFICATE-----([^-]+)/.exec((await client.post(String(json.certificate))).text) ?? []
    const der = Buffer.from(pem, 'base64')
    const octets = fc.oneof(
      bytes,
      damage.map((harm) => damaged(der, harm)),
    )
    await fc.assert(
      fc.asyncProperty(octets, async (wrong) => {
        const reply = await client.post(client.directory.revokeCert ?? '', { certificate: wrong.toString('base64url') })
        expectProblem(reply, 404, 'malformed')
      }),
      { numRuns: 100 },
    )
  })

  it('a jwk of random members is badPublicKey', async () => {
    const client = await acme.app.client({ register: false })
    const key = newKey()
    const member = fc.oneof(
      fc.jsonValue(),
      bytes.map((octets) => octets.toString('base64url')),
    )
    const jwk = fc.dictionary(fc.constantFrom('kty', 'crv', 'x', 'y', 'n', 'e', 'd', 'use'), member)
    const kinds = fc.constantFrom(
      {},
      { kty: 'EC', crv: 'P-256' },
      { kty: 'RSA', e: 'AQAB' },
      { kty: 'OKP', crv: 'Ed25519' },
    )
    await fc.assert(
      fc.asyncProperty(jwk, kinds, async (random, kind) => {
        const header = { jwk: { ...random, ...kind } }
        expectProblem(await client.post(client.directory.newAccount ?? '', {}, { key, header }), 400, 'badPublicKey')
      }),
      { numRuns: 200 },
    )
  })
})
