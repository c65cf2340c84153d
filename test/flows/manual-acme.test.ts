import { X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findCertificate } from '../../src/core/certificate.ts'
import { asRequester, findUser } from '../../src/core/identity/identity.ts'
import { generateKey } from '../../src/core/key.ts'
import { parsePkcs10 } from '../../src/core/request/csr.ts'
import { system } from '../../src/core/requester.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { issueCertificate } from '../../src/pki/certificate.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import type { Csr } from '../../src/pki/csr.ts'
import { nameOf } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { keyIdentifier } from '../../src/pki/publicKey.ts'
import { type Signer, signerFor } from '../../src/pki/signer.ts'
import { type AcmeApp, createAcmeApp } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import type { AcmeClient, AcmeOrder } from '../helpers/acmeClient.ts'
import { databases } from '../helpers/databases.ts'
import { revokeStatusTable, signStatusTable } from '../helpers/statusTable.ts'
import { newCsr } from '../helpers/world.ts'

const day = 86_400_000
const subject = nameOf({ O: 'Example', CN: 'Elsewhere CA' })

/** A CA whose key is in somebody else's hands. */
async function elsewhere(now: Date): Promise<{ der: Buffer; sign: (csr: Csr) => Promise<Buffer> }> {
  const signer: Signer = signerFor(generateKey('P-256'))
  const period = { notBefore: new Date(now.getTime() - day), notAfter: new Date(now.getTime() + 3650 * day) }
  const common = { issuer: subject, crlUrls: [], ocspUrls: [], issuerUrls: [], extendedKeyUsage: [] }
  const der = await issueCertificate(
    {
      ...common,
      ...period,
      serial: '0198000000000000000000000000000a',
      subject,
      publicKey: signer.publicKey,
      type: 'ca',
      identifiers: [],
      keyUsage: ['keyCertSign', 'cRLSign'],
    },
    signer,
  )
  const sign = ({ publicKey, identifiers }: Csr) =>
    issueCertificate(
      {
        ...common,
        ...period,
        notAfter: new Date(now.getTime() + 90 * day),
        serial: '0198000000000000000000000000000b',
        issuer: readCertificate(der).subjectDer,
        subject: [],
        publicKey,
        type: 'server',
        identifiers,
        keyUsage: ['digitalSignature'],
        extendedKeyUsage: [OID.serverAuth],
        authorityKeyIdentifier: keyIdentifier(signer.publicKey),
      },
      signer,
    )
  return { der, sign }
}

describe.each(databases)('an ACME order of an authority that signs elsewhere, on $name', ({ open }) => {
  let opened: Awaited<ReturnType<typeof open>>
  let acme: AcmeApp
  let client: AcmeClient
  let ca: Awaited<ReturnType<typeof elsewhere>>
  const door = () => acme.world.core.as(system('test'))

  beforeAll(async () => {
    opened = await open()
    acme = await createAcmeApp(opened.db)
    ca = await elsewhere(acme.world.time.now)
    await door().admin.addManualAuthority({ name: 'elsewhere', pem: pemEncode('CERTIFICATE', ca.der) })
    const { id } = await withTables<CoreTables>(opened.db)
      .selectFrom('authorities')
      .select('id')
      .where('name', '=', 'elsewhere')
      .executeTakeFirstOrThrow()
    await acme.world.save('elsewhere', { authority: id })
    client = await acme.client({ profile: 'elsewhere' })
    acme.serveChallenges(client)
  })
  afterAll(async () => {
    await acme.close()
    await opened.close()
  })

  it('is processing until the certificate is uploaded, and revoked once that was done elsewhere', async () => {
    const csr = await newCsr(['elsewhere.localhost'])
    const order: AcmeOrder = await client.order(['elsewhere.localhost'])
    await client.answer(order, 'http-01')
    const waiting = await client.finalize(order, csr.der)
    expect(waiting.json.status).toBe(signStatusTable.signing.acme.order)
    expect(waiting.headers.has('retry-after')).toBe(true)
    const ref = order.url.slice(order.url.lastIndexOf('/') + 1)
    const request = await door().findSignRequest({ protocol: 'acme', ref })
    expect(request?.status).toBe('signing')

    const leaf = await ca.sign(parsePkcs10(csr.der))
    await door().upload(request?.id ?? 0, [leaf])
    const { json } = await client.post(order.url)
    expect(json.status).toBe(signStatusTable.signed.acme.order)
    const { text } = await client.post(String(json.certificate))
    expect(new X509Certificate(text).raw).toEqual(leaf)

    const ask = () => client.post(client.directory.revokeCert ?? '', { certificate: leaf.toString('base64url') })
    const { revoking, revoked } = revokeStatusTable
    for (const reply of [await ask(), await ask()]) {
      expectProblem(reply, revoking.status, revoking.error, /under way/)
      expect(reply.headers.has('retry-after')).toBe(revoking.retryAfter)
    }
    const { id, status } = await withTables<CoreTables>(opened.db)
      .selectFrom('revoke_requests')
      .select(['id', 'status'])
      .executeTakeFirstOrThrow()
    expect(status).toBe('revoking')
    expect((await findCertificate(opened.db, { id: request?.id ?? 0 }))?.status).toBe('issued')

    const owner = await findUser(opened.db, { name: 'admin' })
    if (!owner) throw new Error('no first start')
    await acme.world.core.as(asRequester(owner)).approvals.confirmRevoked(id)
    expectProblem(await ask(), revoked.status, revoked.error)
  })

  it('refuses the upload of a certificate with another key, other names or from another authority', async () => {
    const csr = await newCsr(['strict.localhost'])
    const order = await client.order(['strict.localhost'])
    await client.answer(order, 'http-01')
    await client.finalize(order, csr.der)
    const request = await door().findSignRequest({
      protocol: 'acme',
      ref: order.url.slice(order.url.lastIndexOf('/') + 1),
    })
    const stranger = await elsewhere(acme.world.time.now)
    const wrong = [
      await ca.sign(await newCsr(['strict.localhost'])),
      await ca.sign({ ...csr, identifiers: [{ type: 'dns', value: 'other.localhost' }] }),
      await stranger.sign(csr),
    ]
    for (const der of wrong) {
      await expect(door().upload(request?.id ?? 0, [der])).rejects.toMatchObject({ code: 'malformed' })
    }
    expect((await client.post(order.url)).json.status).toBe('processing')
  })
})
