import { describe, expect, test } from 'vitest'
import { nullValue, octets, oid, seq } from '../../src/pki/der.ts'
import { nameOf } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { buildCrmf, control, crm, identityControls, tcr, witness } from '../helpers/cmc.ts'
import { sendCmc, sharedSecret } from '../helpers/cmcApp.ts'
import { attribute, buildCsr, ecKey, extension, extensionRequest } from '../helpers/csrs.ts'
import { useEstApp } from '../helpers/estApp.ts'

const it = useEstApp()
let count = 0
const newName = () => `who${++count}.example`

const prove = (requests: Buffer[], { name, secret }: { name: string; secret: string }) => ({
  requests,
  controls: identityControls([10, 11], name, secret, requests),
})

describe('RFC 10002 section 6.3.1: linked to possession by popLinkRandom', () => {
  const random = Buffer.alloc(64, 7)
  const link = (secret: string, input = random) => witness({ secret, input })
  async function send(linked: (secret: string) => Buffer | undefined, given: Buffer | null = random) {
    const dns = newName()
    const shared = await sharedSecret(it.app, { dns: [dns] })
    const value = linked(shared.secret)
    const san = extension(OID.subjectAltName, seq(Buffer.concat([Buffer.of(0x82, dns.length), Buffer.from(dns)])))
    const attributes = [extensionRequest(san), ...(value ? [attribute(OID.cmcPopLinkWitnessV2, value)] : [])]
    const subject = nameOf({ CN: dns })
    const controls = value ? [seq(oid(OID.cmcPopLinkWitnessV2), value)] : []
    const crmf = buildCrmf({
      id: 2,
      key: ecKey(),
      subject,
      extensions: [san],
      ...(controls.length > 0 ? { controls } : {}),
    })
    const { requests, controls: proof } = prove([tcr(1, buildCsr({ subject, attributes })), crm(crmf)], shared)
    const halves = given ? [control(12, OID.cmcPopLinkRandom, octets(given))] : []
    return sendCmc(it.app, { requests, controls: [...proof, ...halves] })
  }

  test('right, in PKCS #10 and in CRMF', async () => {
    expect((await send((secret) => link(secret))).simple).toHaveLength(3)
  })

  test.each<[string, (secret: string) => Buffer | undefined, Buffer | null]>([
    ['missing', () => undefined, random],
    ['by another secret', (secret) => link(`${secret}x`), random],
    ['over another random', (secret) => link(secret, Buffer.alloc(64, 8)), random],
    ['no witness at all', () => nullValue(), random],
    ['without the random', (secret) => link(secret), null],
  ])('%s: popFailed for each', async (_, linked, given) => {
    const { full } = await send(linked, given)
    const expected = [1, 2].map((id) => ({ status: 'failed', failInfo: 'popFailed', bodyParts: [id] }))
    expect(full?.statuses).toMatchObject(expected)
  })
})
