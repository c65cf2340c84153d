import { beforeAll, describe, expect, test } from 'vitest'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { bool, context, explicit, implicit, integer, nullValue, seq, time, tlv, utf8 } from '../../src/pki/der.ts'
import { encodeGeneralNames } from '../../src/pki/identifier.ts'
import { encodeName, nameOf, nameText } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { buildCrmf, type CmcSigner, control, crm, raVerified } from '../helpers/cmc.ts'
import { device, registrationAuthority, sendCmc, statusOf, tcrFor } from '../helpers/cmcApp.ts'
import type { Party } from '../helpers/cms.ts'
import { extension } from '../helpers/csrs.ts'
import { useEstApp } from '../helpers/estApp.ts'
import { foreignCa } from '../helpers/foreignCa.ts'

const it = useEstApp()
let ra: CmcSigner
let count = 0
const newName = () => `behind${++count}.example`
beforeAll(async () => {
  ra = (await registrationAuthority(it.app)).signer
})

async function enrolled(): Promise<Party & { dns: string }> {
  const dns = newName()
  return { ...(await it.app.enrolled(device(), { subject: { CN: dns }, dns: [dns] })), dns }
}

const nameless = (id: number, proof: Buffer | 'absent', dns: string) =>
  crm(
    buildCrmf({
      id,
      key: device().key,
      proof,
      subject: nameOf({ CN: dns }),
      identifiers: [{ type: 'dns', value: dns }],
    }),
  )
const witness = (id: number, message: number, ...ids: number[]) =>
  control(id, OID.cmcLraPopWitness, seq(integer(message), seq(...ids.map((each) => integer(each)))))

describe('RFC 7030 section 3.7: a registration authority enrols for others', () => {
  test('several at once, whatever their names', async () => {
    const { simple } = await sendCmc(it.app, {
      requests: [tcrFor(1, device(), newName()), tcrFor(2, device(), newName())],
      by: [ra],
    })
    expect(simple).toHaveLength(3)
  })

  test('not where the profile takes none', async () => {
    await it.app.save('strict', { registrationAuthorities: false })
    const answer = await sendCmc(it.app, { profile: 'strict', requests: [tcrFor(1, device(), newName())], by: [ra] })
    expect(statusOf(answer)).toMatchObject({ failInfo: 'badIdentity' })
  })
})

describe('RFC 10002 section 6.8, RFC 4211 section 4: possession on the word of an RA', () => {
  test('raVerified, and a request without a proof that lraPOPWitness names', async () => {
    const answer = await sendCmc(it.app, { requests: [nameless(1, raVerified(), newName())], by: [ra] })
    expect(answer.simple).toHaveLength(2)
    const named = await sendCmc(it.app, {
      controls: [witness(9, 0, 1)],
      requests: [nameless(1, 'absent', newName())],
      by: [ra],
    })
    expect(named.simple).toHaveLength(2)
  })

  test('without the RA’s word: popRequired; by anybody else: popFailed', async () => {
    const missing = await sendCmc(it.app, { requests: [nameless(1, 'absent', newName())], by: [ra] })
    expect(statusOf(missing)).toMatchObject({ status: 'failed', failInfo: 'popRequired', bodyParts: [1] })
    const encryption = explicit(2, tlv(context(1, false), Buffer.of(1)))
    const later = await sendCmc(it.app, { requests: [nameless(1, encryption, newName())], by: [ra] })
    expect(statusOf(later)).toMatchObject({ failInfo: 'popRequired' })
    const own = await enrolled()
    const claimed = await sendCmc(it.app, { requests: [nameless(1, raVerified(), own.dns)], by: [own] })
    expect(statusOf(claimed)).toMatchObject({ failInfo: 'popFailed', bodyParts: [1] })
    const told = await sendCmc(it.app, {
      controls: [witness(9, 0, 1)],
      requests: [nameless(1, 'absent', own.dns)],
      by: [own],
    })
    expect(statusOf(told)).toMatchObject({ failInfo: 'popFailed', bodyParts: [9] })
  })

  test('an RA on the connection is none for the message: raVerified is signed by it', async () => {
    const client = { ...(await registrationAuthority(it.app, 'tls-ra.example')) }
    const answer = await sendCmc(it.app, { requests: [nameless(1, raVerified(), newName())], client })
    expect(statusOf(answer)).toMatchObject({ failInfo: 'popFailed' })
  })

  test('a request that is not there', async () => {
    const controls = [witness(9, 0, 5)]
    const answer = await sendCmc(it.app, { controls, requests: [tcrFor(1, device(), newName())], by: [ra] })
    expect(statusOf(answer)).toMatchObject({ status: 'failed', failInfo: 'badRequest' })
  })
})

describe('RFC 10002 section 6.5.1: an RA changes what is asked for', () => {
  const modify = (id: number, requests: number[], template: Buffer[], replace: Buffer[] = []) =>
    control(
      id,
      OID.cmcModCertTemplate,
      seq(seq(integer(0)), seq(...requests.map((each) => integer(each))), ...replace, seq(...template)),
    )
  const names = (...dns: string[]) =>
    implicit(9, extension(OID.subjectAltName, encodeGeneralNames(dns.map((value) => ({ type: 'dns', value })))), true)

  test('the names of one request, and not of the next', async () => {
    const [old, given, other] = [newName(), newName(), newName()]
    const controls = [modify(9, [1], [explicit(5, encodeName(nameOf({ CN: given }))), names(given)])]
    const requests = [tcrFor(1, device(), old), tcrFor(2, device(), other)]
    const { simple } = await sendCmc(it.app, { controls, requests, by: [ra] })
    const issued = (simple ?? []).map((der) => readCertificate(der)).filter(({ isCa }) => !isCa)
    expect(issued.map(({ identifiers }) => identifiers)).toEqual([
      [{ type: 'dns', value: given }],
      [{ type: 'dns', value: other }],
    ])
    expect(issued.map(({ subject }) => nameText(subject))).toEqual([`CN=${given}`, `CN=${other}`])
  })

  test('names are taken away where replace is FALSE', async () => {
    const dns = newName()
    const controls = [modify(9, [1], [names('x.example')], [bool(false)])]
    const { simple } = await sendCmc(it.app, { controls, requests: [tcrFor(1, device(), dns)], by: [ra] })
    // The common name is a name too, where nothing else is asked for.
    expect((simple ?? []).map((der) => readCertificate(der)).find(({ isCa }) => !isCa)?.identifiers).toEqual([
      { type: 'dns', value: dns },
    ])
  })

  test.each<[string, Buffer, object]>([
    [
      'an extension that it may not give',
      modify(9, [1], [implicit(9, extension('1.2.3', nullValue()), true)]),
      { failInfo: 'unsupportedExt', bodyParts: [9] },
    ],
    ['the issuer', modify(9, [1], [explicit(3, encodeName(nameOf({ CN: 'x' })))]), { failInfo: 'unsupportedExt' }],
    ['a request that is not there', modify(9, [7], [names('x.example')]), { failInfo: 'badRequest', bodyParts: [9] }],
    [
      'a time beyond the profile',
      modify(9, [1], [implicit(4, explicit(1, time(new Date('2049-01-01T00:00:00Z'))), true)]),
      { failInfo: 'badRequest', bodyParts: [1] },
    ],
  ])('%s: refused', async (_, change, status) => {
    const answer = await sendCmc(it.app, { controls: [change], requests: [tcrFor(1, device(), newName())], by: [ra] })
    expect(statusOf(answer)).toMatchObject({ status: 'failed', ...status })
  })

  test('by anybody else: refused', async () => {
    const own = await enrolled()
    const controls = [modify(9, [1], [names('admin.example')])]
    const answer = await sendCmc(it.app, { controls, requests: [tcrFor(1, device(), own.dns)], by: [own] })
    expect(statusOf(answer)).toMatchObject({ status: 'failed', failInfo: 'badRequest', bodyParts: [9] })
  })
})

describe('RFC 10002 section 6.19: controls that an RA has processed', () => {
  const processed = (id: number, ...ids: number[]) =>
    control(id, OID.cmcControlProcessed, seq(seq(...ids.map((each) => integer(each)))))
  const local = control(8, '1.2.3.4', utf8('local'))

  test('are passed over, those it does not name are not', async () => {
    const send = (...controls: Buffer[]) =>
      sendCmc(it.app, { controls, requests: [tcrFor(1, device(), newName())], by: [ra] })
    expect((await send(local, processed(9, 8))).simple).toHaveLength(2)
    expect(statusOf(await send(local, processed(9, 7)))).toMatchObject({ failInfo: 'badRequest', bodyParts: [8] })
  })

  test('by anybody else it is refused', async () => {
    const own = await enrolled()
    const answer = await sendCmc(it.app, {
      controls: [local, processed(9, 8)],
      requests: [tcrFor(1, device(), own.dns)],
      by: [own],
    })
    expect(statusOf(answer)).toMatchObject({ failInfo: 'badRequest', bodyParts: [9] })
  })
})

test('whose certificate is another authority’s, though it says cmcRA, is none here', async () => {
  const { der, key } = await (await foreignCa(it.app.world.time.now)).issue({
    extendedKeyUsage: [OID.clientAuth, OID.cmcRA],
  })
  const answer = await sendCmc(it.app, { requests: [tcrFor(1, device(), newName())], by: [{ certificate: der, key }] })
  expect(statusOf(answer)).toMatchObject({ failInfo: 'badIdentity' })
})
