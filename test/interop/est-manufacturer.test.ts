import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CurlRequest, certificatesIn, curlEst, verifyBelow } from '../helpers/estCurl.ts'
import { type EstServer, newCsr, newKey, review, SETUP_WITHIN, startEstServer } from '../helpers/estServer.ts'
import { createManufacturer, type Manufacturer } from '../helpers/manufacturer.ts'

const issue = [{ name: 'own names', when: 'entitled', auto: true }, ...review]

describe('EST by the certificate of a manufacturer, made with openssl', () => {
  let server: EstServer
  let acme: Manufacturer
  let other: Manufacturer

  beforeAll(async () => {
    server = await startEstServer()
    acme = await createManufacturer(server, 'acme')
    other = await createManufacturer(server, 'other')
    const anchor = ({ anchor, crlUrls }: Manufacturer, name: string) => ({ name, certificates: anchor, crlUrls })
    await server.save({ name: 'acme', rules: { issue }, est: { trustAnchors: [anchor(acme, 'Acme')] } })
    await server.save({ name: 'other', rules: { issue }, est: { trustAnchors: [anchor(other, 'Other')] } })
    await server.save({ name: 'nobody', rules: { issue } })
  }, SETUP_WITHIN)
  afterAll(async () => {
    await acme?.close()
    await other?.close()
    await server?.stop()
  })

  async function enroll(label: string, name: string, more: Partial<CurlRequest>) {
    const body = await newCsr(server, { key: await newKey(server, `own-${name}`), name })
    return curlEst(server, { label, operation: 'simpleenroll', body, ...more })
  }

  it('it enrols the device into its own profile by its own name, and then the device renews with what it got', async () => {
    const name = 'pump-1.localhost'
    const answer = await enroll('acme', name, { client: await acme.device(name) })
    expect(answer.status, answer.text).toBe(200)
    const cert = server.file('pump-1.pem', (await certificatesIn(answer.text))[0])
    await verifyBelow(server, { label: 'acme', cert, name })
    const key = server.file(`own-${name}.key`)
    const body = await newCsr(server, { key, name })
    const again = await curlEst(server, { label: 'acme', operation: 'simplereenroll', body, client: { cert, key } })
    expect(again.status, again.text).toBe(200)
  })

  it('by another name a person is asked, who reads whose certificate it was', async () => {
    const client = await acme.device('pump-2.localhost')
    expect(await enroll('acme', 'mail.localhost', { client })).toMatchObject({ status: 202 })
    const { id } = await server.waiting('mail.localhost')
    const { stdout } = await server.process.cli(['request', 'show', String(id)], { token: server.alice.token })
    expect(stdout).toMatch(/Requester +the holder of CN=pump-2\.localhost, serial [0-9a-f]+, of Acme/)
  })

  it('it is refused in every other profile', async () => {
    const name = 'pump-3.localhost'
    const client = await acme.device(name)
    for (const label of ['other', 'nobody', 'default'])
      expect(await enroll(label, name, { client }), label).toMatchObject({
        status: 401,
        text: expect.stringContaining('the client certificate is not taken'),
      })
    expect((await enroll('other', name, { client: await other.device(name) })).status).toBe(200)
  })

  it('it renews nothing: a re-enrolment needs a certificate of ours', async () => {
    const name = 'pump-4.localhost'
    const body = await newCsr(server, { key: await newKey(server, `own-${name}`), name })
    const client = await acme.device(name)
    expect(await curlEst(server, { label: 'acme', operation: 'simplereenroll', body, client })).toMatchObject({
      status: 403,
      text: expect.stringContaining('the certificate that it renews'),
    })
  })

  it('without the certificate between, it leads to nobody', async () => {
    const { cert, key } = await acme.device('pump-5.localhost')
    const alone = server.file(
      'pump-5-alone.pem',
      readFileSync(cert, 'utf8').replace(/(?<=END CERTIFICATE-----\n).*/s, ''),
    )
    expect((await enroll('acme', 'pump-5.localhost', { client: { cert: alone, key } })).status).toBe(401)
  })
})

describe('EST by a manufacturer’s certificate that its CRL lists', () => {
  let server: EstServer
  let acme: Manufacturer

  beforeAll(async () => {
    server = await startEstServer()
    acme = await createManufacturer(server, 'acme')
  }, SETUP_WITHIN)
  afterAll(async () => {
    await acme?.close()
    await server?.stop()
  })

  it('it is refused, whatever password is shown beside it; others are not', async () => {
    const gone = await acme.device('gone.localhost')
    const good = await acme.device('good.localhost')
    // CRLs are looked at again a quarter of an hour after they were fetched.
    await acme.revoke(gone.cert)
    const anchor = { name: 'Acme', certificates: acme.anchor, crlUrls: acme.crlUrls }
    await server.save({ name: 'acme', rules: { issue }, est: { trustAnchors: [anchor] } })
    const body = await newCsr(server, { key: await newKey(server, 'gone'), name: 'gone.localhost' })
    const refused = { status: 403, text: 'the client certificate is revoked\n' }
    const asked = { label: 'acme', operation: 'simpleenroll', body, client: gone }
    expect(await curlEst(server, asked)).toMatchObject(refused)
    expect(await curlEst(server, { ...asked, bearer: server.admin.token })).toMatchObject(refused)
    const fine = await newCsr(server, { key: await newKey(server, 'good'), name: 'good.localhost' })
    expect((await curlEst(server, { ...asked, body: fine, client: good })).status).toBe(200)
  })

  it('where the CRL cannot be had, the device is told to come again, unless the profile takes it so', async () => {
    const client = await acme.device('unknown.localhost')
    const anchor = { name: 'Acme', certificates: acme.anchor, crlUrls: [`${acme.crlUrls[1]}`] }
    await server.save({ name: 'strict', rules: { issue }, est: { trustAnchors: [anchor] } })
    await server.save({ name: 'easy', rules: { issue }, est: { trustAnchors: [{ ...anchor, withoutCrl: 'accept' }] } })
    const body = await newCsr(server, { key: await newKey(server, 'unknown'), name: 'unknown.localhost' })
    const asked = { operation: 'simpleenroll', body, client }
    expect(await curlEst(server, { label: 'strict', ...asked })).toMatchObject({
      status: 503,
      head: expect.stringMatching(/\r\nRetry-After: 60\r\n/),
    })
    expect((await curlEst(server, { label: 'easy', ...asked })).status).toBe(200)
  })
})
