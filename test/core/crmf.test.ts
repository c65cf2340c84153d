import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { SignDraft } from '../../src/core/request/request.ts'
import { system } from '../../src/core/requester.ts'
import type { Database } from '../../src/db/open.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { attestCertReqMsg, readCertReqMsg, verifyCertReqMsg } from '../../src/pki/crmf.ts'
import { nameOf } from '../../src/pki/name.ts'
import { buildCrmf, raVerified, spkiOf } from '../helpers/cmc.ts'
import { ecKey } from '../helpers/csrs.ts'
import { databases } from '../helpers/databases.ts'
import { manualAuthority } from '../helpers/manualAuthority.ts'
import { createPeople, type People } from '../helpers/people.ts'
import { acmeAccount, createWorld, type World } from '../helpers/world.ts'

/** A request that is kept as CRMF goes the same road as one of PKCS #10. */
describe.each(databases)('orders by CRMF on $name', ({ open }) => {
  let db: Database
  let world: World
  let people: People
  let close: () => Promise<void>
  beforeAll(async () => {
    ;({ db, close } = await open())
    world = await createWorld(db)
    people = await createPeople(world)
    await people.give(people.alice, 'approve')
    await world.save('waits', { rules: { issue: [{ name: 'alice looks', require: [{ users: ['alice'] }] }] } })
  })
  afterAll(() => close())

  const key = ecKey()
  const parts = (dns: string) => ({
    key,
    subject: nameOf({ CN: dns }),
    identifiers: [{ type: 'dns' as const, value: dns }],
  })
  async function order(profile: string, csr: SignDraft['csr']) {
    const draft = {
      profile: await world.profile(profile),
      protocol: 'acme',
      action: 'issue',
      refusal: 'throw',
    } as const
    const { request } = await world.core.as(acmeAccount()).sign({ ...draft, ...(csr ? { csr } : {}) })
    return request
  }

  test.each(['a signature', 'the word of an RA'])('proved by %s: shown, approved, issued', async (proof) => {
    const dns = proof === 'a signature' ? 'signed.example' : 'vouched.example'
    const der = buildCrmf({ ...parts(dns), ...(proof === 'a signature' ? {} : { proof: raVerified() }) })
    const message = readCertReqMsg(der)
    const { id, status } = await order(
      'waits',
      proof === 'a signature' ? verifyCertReqMsg(message) : attestCertReqMsg(message),
    )
    expect(status).toBe('requested')
    const { list, approvals } = people.as(people.alice)
    const shown = await list.request(id, 'sign')
    expect(shown.csr).toEqual(der)
    expect(shown.key).toMatchObject({ algorithm: 'EC', curve: 'P-256', spkiHash: message.claimed.publicKey.spkiHash })
    const { hash } = await approvals.review('sign', id)
    await approvals.vote('sign', id, { verdict: 'approve', hash })
    const certificate = await world.core.as(acmeAccount()).findCertificate({ id })
    const issued = readCertificate(certificate?.der ?? Buffer.alloc(0))
    expect(issued.spki).toEqual(spkiOf(key))
    expect(issued.identifiers).toEqual([{ type: 'dns', value: dns }])
  })

  test('an authority that signs elsewhere gets its certificate by upload', async () => {
    const { ca, name } = await manualAuthority(world)
    const csr = verifyCertReqMsg(readCertReqMsg(buildCrmf(parts('elsewhere.example'))))
    const draft = {
      profile: await world.profile(name),
      protocol: 'acme',
      action: 'issue',
      csr,
      refusal: 'throw',
    } as const
    const { identifiers } = csr
    const { request } = await world.core.as(acmeAccount()).sign({ ...draft, identifiers, validated: identifiers })
    expect(request.status).toBe('signing')
    const operator = world.core.as(system('test'))
    const other = await ca.issue({ identifiers: [...identifiers], subject: csr.subject })
    await expect(operator.upload(request.id, [other.der])).rejects.toThrow(/key/)
    const { der } = await ca.issue({ publicKey: csr.publicKey, identifiers: [...identifiers], subject: csr.subject })
    expect((await operator.upload(request.id, [der])).status).toBe('signed')
  })
})
