import { X509Certificate } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { writeCsr } from '../../src/pki/csrWriter.ts'
import type { Name } from '../../src/pki/name.ts'
import { nameOf } from '../../src/pki/name.ts'
import { signerFor } from '../../src/pki/signer.ts'
import { useAcme } from '../helpers/acmeApp.ts'
import { type AcmeClient, expectStatus } from '../helpers/acmeClient.ts'
import { newKey } from '../helpers/acmeKeys.ts'
import { databases } from '../helpers/databases.ts'
import { bindingOf } from '../helpers/externalAccount.ts'
import { createPeople, type People } from '../helpers/people.ts'

const people = { name: 'people', require: [{ owner: true }] }
const rules = {
  entitled: [{ name: 'a key for names', when: 'entitled', auto: true }, people],
  validated: [{ name: 'proved', when: 'validated', auto: true }, people],
  each: [{ name: 'each', when: 'size(identifiers) > 0 && identifiers.all(i, i.validated)', auto: true }, people],
}

describe.each(databases)('what an ACME client brings into the subject beside its names, on $name', ({ open }) => {
  const acme = useAcme(open)
  let staff: People
  let count = 0

  beforeAll(async () => {
    staff = await createPeople(acme.app.world)
  })

  async function profile(issue: keyof typeof rules, subject: Record<string, string>, overrides: string[] = []) {
    const name = `subject-${++count}`
    const settings = { certificate: { subject, overrides } }
    await acme.app.world.save(name, { settings, rules: { issue: rules[issue] } })
    return name
  }

  async function bound(name: string): Promise<AcmeClient> {
    const draft = { kind: 'eab', profile: name, singleUse: true, identifiers: { dns: ['.localhost'] } } as const
    const { secret, view } = await staff.as(staff.chief).admin.createCredential(draft)
    const client = await acme.app.client({ profile: name, register: false })
    expectStatus(await client.register({ externalAccountBinding: bindingOf(client, { kid: view.name, secret }) }), 201)
    return client
  }

  /** What becomes of an order for a name of its own, whose CSR has this subject (CN: the name itself). */
  async function ask(client: AcmeClient, subject: (name: string) => Name) {
    const name = `n${++count}.localhost`
    const { order } = await acme.app.ready([name], { client })
    const identifiers = [{ type: 'dns', value: name } as const]
    const csr = await writeCsr({ subject: subject(name), identifiers }, signerFor(newKey().privateKey))
    const { json } = expectStatus(await client.finalize(order, csr), 200)
    if (json.status !== 'valid') return { status: json.status }
    const { text } = expectStatus(await client.post(String(json.certificate)), 200)
    return { status: json.status, subject: new X509Certificate(text).subject, name }
  }

  const taken = { CN: '{name}', O: '{csr.O}' }
  const bank = (name: string) => nameOf({ CN: name, O: 'Bank' })

  it('a key that was made for names vouches for these, and not for an organization beside them', async () => {
    const client = await bound(await profile('entitled', taken))
    expect((await ask(client, (name) => nameOf({ CN: name }))).status).toBe('valid')
    expect((await ask(client, () => [])).status).toBe('valid')
    expect((await ask(client, bank)).status).toBe('processing')
  })

  it('nor for what goes into another attribute', async () => {
    const client = await bound(await profile('entitled', { CN: '{name}', O: 'unit {csr.OU}' }))
    expect((await ask(client, (name) => nameOf({ CN: name, OU: 'Bank' }))).status).toBe('processing')
    expect(await ask(client, bank)).toMatchObject({ status: 'valid', subject: expect.not.stringContaining('Bank') })
  })

  it('names that were proved prove nothing else of the subject', async () => {
    const client = await acme.app.client({ profile: await profile('validated', taken) })
    expect((await ask(client, (name) => nameOf({ CN: name }))).status).toBe('valid')
    expect((await ask(client, (name) => nameOf({ O: name }))).status).toBe('valid')
    expect((await ask(client, bank)).status).toBe('processing')
  })

  it.each(['O', 'C', 'serialNumber'])('whatever the attribute: %s', async (type) => {
    const client = await acme.app.client({ profile: await profile('validated', { [type]: `{csr.${type}}` }) })
    expect((await ask(client, () => nameOf({ [type]: 'DE' }))).status).toBe('processing')
  })

  it.each([
    ['validated', (name: string) => acme.app.client({ profile: name })],
    ['entitled', bound],
  ] as const)(
    'what the profile does not take from the CSR keeps nothing up (%s), and is not certified',
    async (by, from) => {
      const fixed = { CN: '{name}', O: 'Ours' }
      const client = await from(await profile(by, fixed, ['subject']))
      const answer = await ask(client, bank)
      expect(answer.status).toBe('valid')
      expect(answer.subject).toBe(`CN=${answer.name}\nO=Ours`)
    },
  )

  it('the common name is one of the names, so that taking it from the CSR claims nothing', async () => {
    const client = await bound(await profile('entitled', { CN: '{csr.CN}' }))
    expect((await ask(client, (name) => nameOf({ CN: name.toUpperCase() }))).status).toBe('valid')
  })

  it('rules may say that the names are enough', async () => {
    const client = await acme.app.client({ profile: await profile('each', taken) })
    expect(await ask(client, bank)).toMatchObject({ status: 'valid', subject: expect.stringContaining('O=Bank') })
  })
})
