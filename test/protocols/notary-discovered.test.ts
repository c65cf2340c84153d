import { describe, expect, test } from 'vitest'
import { parsePkcs10 } from '../../src/core/request/csr.ts'
import { pemDecode, pemEncode } from '../../src/pki/pem.ts'
import { foreignCa } from '../helpers/foreignCa.ts'
import { doorOf, REQUESTS, useNotaryApp } from '../helpers/notaryApp.ts'

const it = useNotaryApp()

const one = (id: number, more = '') => `${REQUESTS}/${id}${more}`
const show = (id: number) => it.app.result('GET', one(id), { by: it.app.manager })
const upload = (id: number, certificate: unknown) =>
  it.app.call('POST', one(id, '/certificate'), { by: it.app.manager, body: { certificate } })

/** A chain for a request by a CA that is none of ours. */
async function foreignChain(csr: string): Promise<string> {
  const ca = await foreignCa(it.app.world.time.now, { name: 'Company CA' })
  const { publicKey, identifiers } = parsePkcs10(pemDecode(csr)[0]?.der ?? Buffer.alloc(0))
  const { der } = await ca.issue({ publicKey, identifiers })
  return pemEncode('CERTIFICATE', der) + ca.certificate
}

describe('a chain that was signed elsewhere', () => {
  test('that was discovered before it was handed in is taken, and stays in the inventory when it is deleted', async () => {
    const id = await it.app.request('seen.test')
    const chain = await foreignChain((await show(id)).csr)
    const door = await doorOf(it.app, 'admin')
    const [leaf] = pemDecode(chain)
    await door.discovery.take({ place: 'file:/srv/seen.pem', certificates: leaf ? [leaf.der] : [] })
    const taken = await upload(id, chain)
    expect(taken.status, taken.text).toBe(201)
    expect(await show(id)).toMatchObject({ status: 'Active', certificate_chain: chain })
    const deleted = await it.app.call('DELETE', one(id, '/certificate'), { by: it.app.manager })
    expect(deleted.status, deleted.text).toBe(200)
    expect(await show(id)).toMatchObject({ status: 'Outstanding', certificate_chain: '' })
    expect((await door.list.certificates({ search: 'seen.test' })).rows).toHaveLength(1)
    // What somebody has uploaded elsewhere may be another's.
    const other = await it.app.request('uploaded.test')
    const known = await foreignChain((await show(other)).csr)
    await door.inventory.upload({ der: pemDecode(known)[0]?.der ?? Buffer.alloc(0) })
    expect((await upload(other, known)).status).toBe(400)
  })
})
