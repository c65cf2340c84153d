import { beforeAll, describe, expect, test } from 'vitest'
import { readBareCertificate } from '../../src/pki/certificateIdentifier.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { readCertsOnly } from '../../src/pki/certsOnly.ts'
import { enumerated, explicit, implicit, integer, oid, seq, TAG, tlv } from '../../src/pki/der.ts'
import { encodeGeneralNames } from '../../src/pki/identifier.ts'
import { encodeName, nameOf } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { keyIdentifier, publicKeyFrom } from '../../src/pki/publicKey.ts'
import {
  buildCrmf,
  buildPkiData,
  type CmcSigner,
  content,
  control,
  crm,
  identityControls,
  raVerified,
  readResponse,
  signedRequest,
} from '../helpers/cmc.ts'
import {
  device,
  registrationAuthority,
  sendCmc,
  sharedSecret,
  statusOf,
  tcrFor,
  transaction,
} from '../helpers/cmcApp.ts'
import type { Party } from '../helpers/cms.ts'
import { extension } from '../helpers/csrs.ts'
import { useEstApp } from '../helpers/estApp.ts'

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
const byRequestKey = ({ key }: Party): CmcSigner => ({ key, keyIdentifier: keyIdentifier(publicKeyFrom(key)) })
const witness = (id: number, message: number, ...ids: number[]) =>
  control(id, OID.cmcLraPopWitness, seq(integer(message), seq(...ids.map((each) => integer(each)))))
const vouch = (id: number, ...path: number[]) =>
  control(id, OID.cmcRaIdentityWitness, seq(...path.map((each) => integer(each))))

describe('RFC 10002 section 6.17: batches', () => {
  const batch = (id: number, ...ids: number[]) =>
    control(id, OID.cmcBatchRequests, seq(...ids.map((each) => integer(each))))

  test('each message is answered on its own, by its own identity', async () => {
    const own = await enrolled()
    const [by, dns] = [device(), newName()]
    const shared = await sharedSecret(it.app, { dns: [dns] })
    const proved = [tcrFor(1, by, dns)]
    const contents = [
      content(21, signedRequest(buildPkiData({ requests: [tcrFor(1, device(), own.dns)] }), [own])),
      content(
        22,
        signedRequest(
          buildPkiData({
            controls: [transaction(5), ...identityControls([6, 7], shared.name, shared.secret, proved)],
            requests: proved,
          }),
          [byRequestKey(by)],
        ),
      ),
      content(
        23,
        signedRequest(buildPkiData({ requests: [tcrFor(1, device(), newName())] }), [byRequestKey(device())]),
      ),
      content(24, seq(oid(OID.data))),
    ]
    const { full, http } = await sendCmc(it.app, { controls: [batch(9, 21, 22, 23, 24)], contents, by: [ra] })
    expect(http.status).toBe(200)
    expect(full?.statuses).toEqual([{ status: 'success', bodyParts: [9] }])
    expect(full?.controls.get(OID.cmcBatchResponses)).toEqual(seq(integer(1), integer(2), integer(3), integer(4)))
    const answers = [...(full?.contents.values() ?? [])]
    expect(readCertsOnly(answers[0] ?? Buffer.alloc(0)).certificates).toHaveLength(2)
    const [second, third, fourth] = answers.slice(1).map((der) => readResponse(der))
    expect(second?.statuses).toEqual([{ status: 'success', bodyParts: [1] }])
    expect(second?.controls.get(OID.cmcTransactionId)).toEqual(integer(77))
    expect(third?.statuses).toMatchObject([{ status: 'failed', failInfo: 'badMessageCheck', bodyParts: [0] }])
    expect(fourth?.statuses).toMatchObject([{ status: 'failed', failInfo: 'badRequest', bodyParts: [0] }])
  })

  test('a message whose identity nobody shows is nobody’s, though the RA sends it; section 6.20: unless the RA has looked at it', async () => {
    const [by, dns] = [device(), newName()]
    const message = signedRequest(buildPkiData({ requests: [tcrFor(1, by, dns)] }), [byRequestKey(by)])
    const send = async (...controls: Buffer[]) => {
      const answer = await sendCmc(it.app, {
        controls: [batch(9, 21), ...controls],
        contents: [content(21, message)],
        by: [ra],
      })
      return answer.full?.contents.get(1) ?? Buffer.alloc(0)
    }
    expect(readResponse(await send()).statuses).toMatchObject([{ failInfo: 'badIdentity', bodyParts: [1] }])
    expect(readCertsOnly(await send(vouch(10, 21))).certificates).toHaveLength(2)
  })

  test('an RA’s word on who somebody is gives him nothing else of an RA', async () => {
    const victim = await enrolled()
    const { issuer, serial } = readBareCertificate(victim.certificate)
    const revocation = control(5, OID.cmcRevokeRequest, seq(issuer, tlv(TAG.integer, serial), enumerated(1)))
    const send = async (data: Buffer) => {
      const contents = [content(21, signedRequest(data, []))]
      const answer = await sendCmc(it.app, { controls: [batch(9, 21), vouch(10, 21)], contents, by: [ra] })
      return readResponse(answer.full?.contents.get(1) ?? Buffer.alloc(0)).statuses
    }
    expect(await send(buildPkiData({ controls: [revocation] }))).toMatchObject([
      { failInfo: 'badCertId', bodyParts: [5] },
    ])
    const claimed = buildPkiData({ requests: [nameless(1, raVerified(), newName())] })
    expect(await send(claimed)).toMatchObject([{ failInfo: 'popFailed', bodyParts: [1] }])
    const told = buildPkiData({ controls: [witness(5, 0, 1)], requests: [nameless(1, 'absent', newName())] })
    expect(await send(told)).toMatchObject([{ failInfo: 'popFailed', bodyParts: [5] }])
  })

  test('section 6.20: an identity proof that only the RA can check, and one that nobody has', async () => {
    const requests = [tcrFor(1, device(), newName())]
    const controls = identityControls([6, 7], 'known to the RA', 'its own secret', requests)
    const message = signedRequest(buildPkiData({ controls, requests }), [])
    const send = async (...more: Buffer[]) => {
      const answer = await sendCmc(it.app, {
        controls: [batch(9, 21), ...more],
        contents: [content(21, message)],
        by: [ra],
      })
      return answer.full?.contents.get(1) ?? Buffer.alloc(0)
    }
    expect(readCertsOnly(await send(vouch(10, 21, 7))).certificates).toHaveLength(2)
    expect(readResponse(await send()).statuses).toMatchObject([{ failInfo: 'badIdentity' }])
  })

  test('an RA’s word about possession and names reaches into its batch', async () => {
    const dns = newName()
    const message = signedRequest(buildPkiData({ requests: [nameless(1, 'absent', 'old.example')] }), [])
    const change = control(
      11,
      OID.cmcModCertTemplate,
      seq(
        seq(integer(21)),
        seq(integer(1)),
        seq(
          explicit(5, encodeName(nameOf({ CN: dns }))),
          implicit(9, extension(OID.subjectAltName, encodeGeneralNames([{ type: 'dns', value: dns }])), true),
        ),
      ),
    )
    const controls = [batch(9, 21), vouch(10, 21), witness(12, 21, 1), change]
    const { full } = await sendCmc(it.app, { controls, contents: [content(21, message)], by: [ra] })
    const [leaf] = readCertsOnly(full?.contents.get(1) ?? Buffer.alloc(0)).certificates
    expect(leaf && readCertificate(leaf).identifiers).toEqual([{ type: 'dns', value: dns }])
  })

  test.each<[string, Buffer[], number[], number[]]>([
    ['a message that is not there', [batch(9, 22)], [21], [9]],
    ['one twice', [batch(9, 21, 21)], [21], [9]],
    ['one left out', [batch(9, 21)], [21, 22], [22]],
    ['a word on what is not there', [batch(9, 21), vouch(10, 30)], [21], [10]],
  ])('%s: refused', async (_, controls, ids, bodyParts) => {
    const contents = ids.map((id) => content(id, signedRequest(buildPkiData({}), [])))
    const answer = await sendCmc(it.app, { controls, contents, by: [ra] })
    expect(statusOf(answer)).toMatchObject({ status: 'failed', failInfo: 'badRequest', bodyParts })
  })

  test('by anybody else: refused; within a batch: not served', async () => {
    const own = await enrolled()
    const inner = signedRequest(buildPkiData({ requests: [tcrFor(1, device(), own.dns)] }), [own])
    const theirs = await sendCmc(it.app, { controls: [batch(9, 21)], contents: [content(21, inner)], by: [own] })
    expect(statusOf(theirs)).toMatchObject({ failInfo: 'badRequest', bodyParts: [9] })
    const nested = signedRequest(buildPkiData({ controls: [batch(9, 21)], contents: [content(21, inner)] }), [ra])
    const { full } = await sendCmc(it.app, { controls: [batch(9, 31)], contents: [content(31, nested)], by: [ra] })
    expect(readResponse(full?.contents.get(1) ?? Buffer.alloc(0)).statuses).toMatchObject([
      { status: 'noSupport', bodyParts: [9] },
    ])
  })
})
