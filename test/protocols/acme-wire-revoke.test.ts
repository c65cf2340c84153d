import { X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { writeCsr } from '../../src/pki/csrWriter.ts'
import { signerFor } from '../../src/pki/signer.ts'
import { useAcme } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import { AcmeClient } from '../helpers/acmeClient.ts'
import { type ClientKey, newKey } from '../helpers/acmeKeys.ts'
import { databases } from '../helpers/databases.ts'

const csrOf = (name: string, key: ClientKey) =>
  writeCsr({ subject: [], identifiers: [{ type: 'dns', value: name }] }, signerFor(key.privateKey))

describe.each(databases)('a key that its holder calls compromised, on $name', ({ open }) => {
  const acme = useAcme(open)

  async function issued(name: string, key: ClientKey) {
    const { client, order } = await acme.app.ready([name])
    const { json } = await client.finalize(order, await csrOf(name, key))
    const { raw } = new X509Certificate((await client.post(String(json.certificate))).text)
    return { client, payload: { certificate: raw.toString('base64url'), reason: 1 } }
  }

  it('wire 49: gets no certificate any more, from whatever account', async () => {
    const key = newKey()
    const { client, payload } = await issued('leaked.localhost', key)
    const holder = await new AcmeClient(client.directoryUrl, acme.app.transport, key).load()
    expect((await holder.post(holder.directory.revokeCert ?? '', payload)).status).toBe(200)
    const later = await acme.app.ready(['later.localhost'])
    const csr = await csrOf('later.localhost', key)
    expectProblem(await later.client.finalize(later.order, csr), 400, 'badCSR')
    expect((await later.client.post(later.order.url)).json.status).toBe('ready')
    const done = await later.client.finalize(later.order, await csrOf('later.localhost', newKey()))
    expect(done.json.status).toBe('valid')
  })

  it('wire 49: nor does it when the account that ordered says so, which its rules let it', async () => {
    const key = newKey()
    const { client, payload } = await issued('told.localhost', key)
    expect((await client.post(client.directory.revokeCert ?? '', payload)).status).toBe(200)
    const again = await acme.app.ready(['again.localhost'])
    expectProblem(
      await again.client.finalize(again.order, await csrOf('again.localhost', key)),
      400,
      'badCSR',
      /blocked/,
    )
  })

  it('wire 49: a revocation for another reason blocks nothing', async () => {
    const key = newKey()
    const { client, payload } = await issued('moved.localhost', key)
    const superseded = { ...payload, reason: 4 }
    expect((await client.post(client.directory.revokeCert ?? '', superseded)).status).toBe(200)
    const again = await acme.app.ready(['again.localhost'])
    expect((await again.client.finalize(again.order, await csrOf('again.localhost', key))).json.status).toBe('valid')
  })

  it('wire 49: may not be called so by who holds another key', async () => {
    const { client, payload } = await issued('other.localhost', newKey())
    const stranger = await new AcmeClient(client.directoryUrl, acme.app.transport, newKey()).load()
    expectProblem(await stranger.post(stranger.directory.revokeCert ?? '', payload), 403, 'unauthorized')
  })
})
