import { describe, expect, test } from 'vitest'
import { integer, nullValue, octets, oid, seq, set } from '../../src/pki/der.ts'
import { PkiError } from '../../src/pki/error.ts'
import { OID } from '../../src/pki/oid.ts'
import { cmcFailInfos, cmcStatuses, writePkiResponse } from '../../src/pki/pkiResponse.ts'
import { publicKeyFrom } from '../../src/pki/publicKey.ts'
import { readSignedParts } from '../../src/pki/signedData.ts'
import { messageSigner, writeSignedData } from '../../src/pki/signedDataWriter.ts'
import { verifySignerInfo } from '../../src/pki/signerInfo.ts'
import { buildPkiData, readResponse, signedRequest, tcr } from '../helpers/cmc.ts'
import { party } from '../helpers/cms.ts'
import { buildCsr, ecKey, openssl } from '../helpers/csrs.ts'

const key = ecKey()
const csr = buildCsr({ key })

describe('RFC 10002 section 4.2: PKIResponse', () => {
  const signer = party('RSA-2048')
  const sealed = async (der: Buffer) =>
    writeSignedData(
      {
        content: der,
        contentType: OID.pkiResponse,
        digest: 'sha256',
        attributes: [],
        chain: [party('P-256').certificate],
      },
      messageSigner(signer.certificate, signer.key),
    )

  test('statuses, controls and answers to a batch, signed', async () => {
    const token = Buffer.alloc(8, 3)
    const time = new Date('2026-01-02T03:04:05Z')
    const der = writePkiResponse({
      statuses: [
        { status: 'failed', bodyParts: [1, 4_294_967_295], text: 'no', failInfo: 'popFailed' },
        { status: 'pending', bodyParts: [3], pending: { token, time } },
      ],
      controls: [{ oid: OID.cmcDataReturn, value: octets(Buffer.of(1)) }],
      batch: [seq(oid(OID.data)), seq(oid(OID.signedData))],
    })
    const response = readResponse(await sealed(der))
    expect(response.statuses).toEqual([
      { status: 'failed', bodyParts: [1, 4_294_967_295], text: 'no', failInfo: 'popFailed' },
      { status: 'pending', bodyParts: [3], pending: { token, time } },
    ])
    expect(response.controls).toEqual(
      new Map([
        [OID.cmcBatchResponses, seq(integer(1), integer(2))],
        [OID.cmcDataReturn, octets(Buffer.of(1))],
      ]),
    )
    expect([...response.contents.keys()]).toEqual([1, 2])
    expect(response.certificates).toHaveLength(2)
  })

  test('openssl verifies the message and shows its content type', async () => {
    const message = await sealed(writePkiResponse({ statuses: [{ status: 'success', bodyParts: [0] }], controls: [] }))
    const printed = openssl(['cms', '-inform', 'DER', '-cmsout', '-print', '-noout'], message).toString()
    expect(printed).toMatch(/eContentType: .*1\.3\.6\.1\.5\.5\.7\.12\.3|id-cct-PKIResponse/)
    expect(printed).toMatch(/d\.signedData:[\s\S]*version: 3/)
    const verified = openssl(['cms', '-verify', '-inform', 'DER', '-noverify', '-binary'], message)
    expect(verified).toEqual(writePkiResponse({ statuses: [{ status: 'success', bodyParts: [0] }], controls: [] }))
  })

  test('the numbers are those of sections 6.1.3 and 6.1.4', () => {
    expect(Object.values(cmcStatuses)).toEqual([0, 2, 3, 4, 5, 6, 7])
    expect(Object.values(cmcFailInfos)).toEqual(Array.from({ length: 14 }, (_, i) => i))
  })
})

describe('RFC 10002 section 3.2: who signs a full PKI request', () => {
  const data = buildPkiData({ requests: [tcr(1, csr)] })
  const publicKey = () => {
    const { signers, contentType, content: signed } = readSignedParts(signedRequest(data, [byKey]))
    return { signer: signers[0], contentType, content: signed ?? Buffer.alloc(0) }
  }
  const byKey = { key, keyIdentifier: Buffer.alloc(20, 1) }

  test('a key that is only identified, nobody, and several', () => {
    expect(publicKey().signer?.identifier).toEqual({ keyIdentifier: Buffer.alloc(20, 1) })
    expect(readSignedParts(signedRequest(data, [])).signers).toEqual([])
    expect(readSignedParts(signedRequest(data, [byKey, byKey])).signers).toHaveLength(2)
    expect(() => readSignedParts(signedRequest(data, Array(9).fill(byKey)))).toThrow(PkiError)
  })

  test('its signature covers the content and its type', () => {
    const { signer, ...rest } = publicKey()
    if (!signer) throw new Error('no signer')
    const asked = { ...rest, publicKey: publicKeyFrom(key), digests: ['sha256'] as const }
    expect(verifySignerInfo(signer, asked)).toBe('sha256')
    expect(() => verifySignerInfo(signer, { ...asked, contentType: OID.data })).toThrow(/contentType/)
    expect(() => verifySignerInfo(signer, { ...asked, content: Buffer.of(1) })).toThrow(/not the one that was signed/)
  })

  test('unsigned attributes are told', () => {
    const odd = { unsigned: [seq(oid(OID.cmcUnsignedData), set(nullValue()))] }
    expect(readSignedParts(signedRequest(data, [byKey], odd)).signers[0]?.unsigned).toEqual([OID.cmcUnsignedData])
  })
})
