import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  readCertConfirm,
  readCertReqMessages,
  readCrlStatusList,
  readPollRequest,
  readRevocationRequest,
} from '../../src/pki/cmpBody.ts'
import { readPasswordMac } from '../../src/pki/cmpMac.ts'
import { readCmpMessage } from '../../src/pki/cmpMessage.ts'
import { errorBody, writeStatusInfo } from '../../src/pki/cmpWriter.ts'
import { integer, nullValue, octets, oid, readTlv, seq, utf8 } from '../../src/pki/der.ts'
import { PkiError } from '../../src/pki/error.ts'
import { OID } from '../../src/pki/oid.ts'
import { buildCrmf } from '../helpers/cmc.ts'
import { certConf, cmpMessage, macAlgorithm, macOf, pollReq, revReq } from '../helpers/cmpClient.ts'
import { party } from '../helpers/cms.ts'
import { openssl } from '../helpers/csrs.ts'
import { mutations } from '../helpers/mutate.ts'

const mac = { reference: 'r', secret: 's' }
const device = party('P-256')

describe('RFC 9810 section 5.1: a PKIMessage', () => {
  test('what stands in its header, its body and around', () => {
    const [transactionId, recipNonce] = [randomBytes(16), randomBytes(16)]
    const messageTime = new Date('2026-03-01T12:00:00Z')
    const der = cmpMessage({ type: 'ir', content: seq(buildCrmf()), mac, transactionId, recipNonce, messageTime })
    const message = readCmpMessage(der)
    expect(message).toMatchObject({ type: 'ir', extraCerts: [], content: { tag: 0x30 } })
    expect(message.header).toMatchObject({
      pvno: 2,
      transactionId,
      recipNonce,
      messageTime,
      senderKid: Buffer.from('r'),
    })
    const algorithm = message.header.protectionAlg ?? Buffer.alloc(0)
    expect(message.protection).toEqual(macOf(algorithm, mac.secret, message.protectedPart))
  })

  test('nothing else is read as one', () => {
    const good = cmpMessage({ type: 'ir', content: seq(buildCrmf({ id: 0 })), by: device })
    const attempt = (bytes: Buffer) => {
      try {
        const { content, type } = readCmpMessage(bytes)
        if (type === 'ir') readCertReqMessages(content)
      } catch (error) {
        expect(error).toBeInstanceOf(PkiError)
      }
    }
    fc.assert(fc.property(mutations(good), attempt), { numRuns: 800 })
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => attempt(Buffer.from(bytes))))
  })
})

describe('RFC 9810 section 5.3: bodies', () => {
  const certificate = device.certificate
  test.each<[string, Buffer, (bytes: Buffer) => unknown, object]>([
    [
      'certConf',
      certConf(certificate, { id: 3, rejects: 'no' }),
      (bytes) => readCertConfirm(readTlv(bytes))[0],
      { certReqId: 3n, accepted: false, text: 'no' },
    ],
    ['pollReq', pollReq(-1), (bytes) => readPollRequest(readTlv(bytes)), [-1n]],
    [
      'rr',
      revReq(certificate, 1),
      (bytes) => readRevocationRequest(readTlv(bytes))[0],
      { reason: 'keyCompromise', serial: '07' },
    ],
    [
      'crlStatusList',
      seq(seq(readTlv(Buffer.from('a1023000', 'hex')).der)),
      (bytes) => readCrlStatusList(readTlv(bytes)),
      { issuer: [] },
    ],
  ])('%s: what is right is read, and no change of it throws anything but a PkiError', (_, good, read, expected) => {
    expect(read(good)).toMatchObject(expected)
    fc.assert(
      fc.property(mutations(good), (bytes) => {
        try {
          read(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(PkiError)
        }
      }),
      { numRuns: 400 },
    )
  })

  test('PKIFailureInfo is a named bit string: openssl reads it', () => {
    const der = writeStatusInfo({ status: 'rejection', text: 'no', failInfo: 'notAuthorized' })
    const shown = openssl(['asn1parse', '-inform', 'DER', '-dump'], der).toString()
    expect(shown).toMatch(/BIT STRING/)
    expect(der.subarray(-6)).toEqual(Buffer.from('030400000001', 'hex'))
    expect(errorBody({ status: 'waiting' })[0]).toBe(0xb7)
  })
})

describe('RFC 9481 section 6.1: MACs by a shared secret', () => {
  test.each([
    ['PasswordBasedMac', {}],
    ['with SHA-512', { owf: OID.sha512, mac: OID.hmacWithSHA512 }],
    ['as openssl has it', { mac: OID.hmacWithSHA1 }],
    ['PBMAC1', { pbmac1: true, iterations: 1000 }],
  ])('%s', async (_, wishes) => {
    const algorithm = macAlgorithm(wishes)
    const make = await readPasswordMac(algorithm)?.derive(Buffer.from('secret'))
    expect(make?.(Buffer.from('input'))).toEqual(macOf(algorithm, 'secret', Buffer.from('input')))
  })

  test('an algorithm of another kind is none', () => {
    expect(readPasswordMac(seq(oid(OID.ecdsaWithSHA256)))).toBeUndefined()
  })

  test.each<[string, Buffer, string]>([
    ['few iterations', macAlgorithm({ iterations: 99 }), 'unsupported'],
    ['many iterations', macAlgorithm({ iterations: 10_001 }), 'unsupported'],
    ['very many', macAlgorithm({ iterations: 2n ** 64n, pbmac1: true }), 'unsupported'],
    ['SHA-1 for the key', macAlgorithm({ owf: OID.sha1 }), 'unsupported'],
    ['SHA-1 in PBKDF2', macAlgorithm({ pbmac1: true, mac: OID.hmacWithSHA1 }), 'unsupported'],
    ['MD5', macAlgorithm({ owf: OID.md5 }), 'unsupported'],
    ['no parameters', seq(oid(OID.passwordBasedMac)), 'malformed'],
    ['other parameters', seq(oid(OID.pbmac1), seq(utf8('x'), integer(1), nullValue())), 'malformed'],
    [
      'a long salt',
      seq(
        oid(OID.passwordBasedMac),
        seq(octets(Buffer.alloc(2000)), seq(oid(OID.sha256)), integer(500), seq(oid(OID.hmacWithSHA256))),
      ),
      'unsupported',
    ],
  ])('%s', (_, algorithm, kind) => {
    expect(() => readPasswordMac(algorithm)).toThrow(expect.objectContaining({ kind }))
  })
})
