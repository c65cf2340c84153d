import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { issueCertificate } from '../../src/pki/certificate.ts'
import { reasonCodes } from '../../src/pki/crl.ts'
import { integer, nullValue, octets, oid, seq } from '../../src/pki/der.ts'
import { PkiError } from '../../src/pki/error.ts'
import { nameOf } from '../../src/pki/name.ts'
import { certIdMatches, issuerHashes, OCSP_HASHES, parseOcspRequest } from '../../src/pki/ocsp.ts'
import { type OcspResponseDraft, ocspError, writeOcspResponse } from '../../src/pki/ocspResponse.ts'
import { OID } from '../../src/pki/oid.ts'
import { keyIdentifier } from '../../src/pki/publicKey.ts'
import { signerFor } from '../../src/pki/signer.ts'
import { readOcsp } from '../helpers/ocspAnswer.ts'
import { authority, KEY_KINDS, type KeyKind, keyPair, leafDraft, pem } from '../helpers/pkiSamples.ts'

const folder = mkdtempSync(join(tmpdir(), 'ocsp-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** openssl in one folder; what it prints on both channels. */
function run(files: Record<string, string | Buffer>, args: readonly string[]): string {
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
  return execFileSync('/bin/sh', ['-c', 'exec openssl "$@" 2>&1', 'openssl', ...args], {
    cwd: folder,
    encoding: 'utf8',
  })
}

// openssl ocsp compares with the real clock, so these tests speak of now.
const now = new Date(Math.floor(Date.now() / 1000) * 1000)
const hours = (n: number) => new Date(now.getTime() + n * 3_600_000)

async function issued(kind: KeyKind) {
  const ca = await authority(kind, { notBefore: hours(-48), notAfter: hours(48_000) })
  const draft = leafDraft(ca, { notBefore: hours(-1), notAfter: hours(1000) })
  const leaf = await issueCertificate(draft, ca.signer)
  const responder = signerFor(keyPair(kind, 'responder').privateKey)
  const responderCertificate = await issueCertificate(
    leafDraft(ca, {
      notBefore: hours(-1),
      notAfter: hours(1000),
      subject: nameOf({ CN: 'Responder' }),
      identifiers: [],
      publicKey: responder.publicKey,
      type: 'ocsp',
      extendedKeyUsage: [OID.OCSPSigning],
      ocspNoCheck: true,
    }),
    ca.signer,
  )
  run({ 'ca.pem': pem(ca.certificate), 'leaf.pem': pem(leaf) }, ['version'])
  return { ca, serial: draft.serial, leaf, responder, responderCertificate }
}

/** The digest stands before the certificate that it is for. */
function request(digest = '-sha1', ...args: string[]): Buffer {
  run({}, ['ocsp', '-issuer', 'ca.pem', digest, '-cert', 'leaf.pem', '-reqout', 'request.der', ...args])
  return readFileSync(join(folder, 'request.der'))
}

/** What openssl says of the answer about leaf.pem. */
const ask = (response: Buffer): string =>
  run({ 'response.der': response }, [
    'ocsp',
    '-issuer',
    'ca.pem',
    '-cert',
    'leaf.pem',
    '-no_nonce',
    '-CAfile',
    'ca.pem',
    '-respin',
    'response.der',
  ])

describe.each(KEY_KINDS)('OCSP of a %s authority', (kind) => {
  test('openssl asks, we answer with a delegated responder, openssl verifies: good, revoked, unknown', async () => {
    const { serial, ca, responder, responderCertificate } = await issued(kind)
    const { certIds, nonce, signed } = parseOcspRequest(request('-sha1', '-nonce'))
    expect(certIds.map((id) => id.serial)).toEqual([serial])
    expect(certIds[0]).toMatchObject({ hash: 'sha1', hashOid: OID.sha1 })
    expect(nonce).toHaveLength(16)
    expect(signed).toBe(false)
    const [certId = expect.fail()] = certIds
    expect(certIdMatches(certId, issuerHashes(ca.fields))).toBe(true)
    const answer = (status: OcspResponseDraft['responses'][number]['status'], more: Partial<OcspResponseDraft> = {}) =>
      writeOcspResponse({
        responderId: { keyHash: keyIdentifier(responder.publicKey) },
        producedAt: now,
        responses: [{ certId, status, thisUpdate: hours(-1), nextUpdate: hours(12) }],
        certificates: [responderCertificate],
        signer: responder,
        ...(nonce ? { nonce } : {}),
        ...more,
      })
    const good = ask(await answer('good'))
    expect(good).toContain('Response verify OK\n')
    expect(good).toContain('leaf.pem: good\n')
    // Against the request itself the nonce is compared; without one openssl warns, with another it fails.
    const compare = () =>
      run({}, ['ocsp', '-reqin', 'request.der', '-CAfile', 'ca.pem', '-issuer', 'ca.pem', '-respin', 'response.der'])
    expect(compare()).toBe('Response verify OK\n')
    ask(await answer('good', { nonce: Buffer.alloc(16) }))
    expect(compare).toThrow()
    const revoked = ask(await answer({ revokedAt: new Date('2020-02-03T04:05:06Z'), reason: reasonCodes.superseded }))
    expect(revoked).toContain('Response verify OK\n')
    expect(revoked).toMatch(
      /leaf.pem: revoked\n(?:.*\n)*\s+Reason: superseded\n\s+Revocation Time: Feb {2}3 04:05:06 2020 GMT/,
    )
    const unknown = ask(await answer('unknown', { extendedRevoke: true }))
    expect(unknown).toContain('leaf.pem: unknown\n')
    expect(unknown).toContain('Response verify OK\n')
  })

  test('the authority itself may answer, by name, without a certificate', async () => {
    const { ca } = await issued(kind)
    const [certId = expect.fail()] = parseOcspRequest(request('-sha256', '-no_nonce')).certIds
    expect(certId.hash).toBe('sha256')
    const response = await writeOcspResponse({
      responderId: { name: ca.fields.subjectDer },
      producedAt: now,
      responses: [{ certId, status: { revokedAt: hours(-5) }, thisUpdate: hours(-1) }],
      certificates: [],
      signer: ca.signer,
    })
    run({ 'response.der': response }, ['version'])
    const read = run({}, [
      'ocsp',
      '-sha256',
      '-issuer',
      'ca.pem',
      '-cert',
      'leaf.pem',
      '-CAfile',
      'ca.pem',
      '-respin',
      'response.der',
      '-resp_text',
    ])
    expect(read).toContain('Response verify OK\n')
    expect(read).toContain('leaf.pem: revoked\n')
    expect(read).not.toContain('Reason:')
    expect(read).toMatch(/Responder Id: C = DE, O = Example/)
  })
})

test('every hash that openssl asks with matches its issuer and no other', async () => {
  const { ca } = await issued('P-256')
  const hashes = issuerHashes(ca.fields)
  const others = issuerHashes((await authority('P-384')).fields)
  for (const hash of Object.keys(OCSP_HASHES)) {
    const { certIds, nonce } = parseOcspRequest(request(`-${hash}`, '-no_nonce', `-${hash}`, '-serial', '0xff01'))
    expect(certIds.map((id) => id.hash)).toEqual(certIds.map(() => hash))
    expect(certIds.some((id) => id.serial === 'ff01')).toBe(true)
    expect(nonce).toBeUndefined()
    for (const id of certIds) {
      expect(certIdMatches(id, hashes)).toBe(true)
      expect(certIdMatches(id, others)).toBe(false)
    }
  }
})

test('a signed request is read and reported as signed', async () => {
  const { ca } = await issued('P-256')
  const key = keyPair('P-256', 'leaf').privateKey.export({ type: 'pkcs8', format: 'pem' })
  run({ 'leaf.key': key }, ['version'])
  const { signed, certIds } = parseOcspRequest(request('-sha1', '-signer', 'leaf.pem', '-signkey', 'leaf.key'))
  expect(signed).toBe(true)
  expect(certIds).toHaveLength(1)
  expect(ca.fields.isCa).toBe(true)
})

const sha1Id = (serial = 1) =>
  seq(seq(oid(OID.sha1), nullValue()), octets(Buffer.alloc(20, 1)), octets(Buffer.alloc(20, 2)), integer(serial))
describe('writeOcspResponse', async () => {
  const { ca } = await issued('P-256')
  const draft: OcspResponseDraft = {
    responderId: { keyHash: Buffer.alloc(20) },
    producedAt: now,
    responses: [],
    certificates: [],
    signer: ca.signer,
  }
  const single = { certId: { der: sha1Id() }, thisUpdate: now }

  test('refuses a nonce and a reason that cannot be', async () => {
    const single7 = { ...single, status: { revokedAt: now, reason: 7 } }
    expect(() => writeOcspResponse({ ...draft, nonce: Buffer.alloc(0) })).toThrow(PkiError)
    expect(() => writeOcspResponse({ ...draft, nonce: Buffer.alloc(129) })).toThrow(PkiError)
    expect(() => writeOcspResponse({ ...draft, responses: [single7] })).toThrow(PkiError)
  })

  test('lengths of one, two and three octets are written as DER has them', async () => {
    for (const count of [0, 1, 3, 40, 500]) {
      const responses = Array.from({ length: count }, (_, n) => ({
        certId: { der: sha1Id(n + 1) },
        status: 'good' as const,
        thisUpdate: now,
        nextUpdate: hours(1),
      }))
      const answer = readOcsp(await writeOcspResponse({ ...draft, responses, nonce: Buffer.alloc(128, 9) }))
      expect(answer.certIds).toEqual(responses.map(({ certId }) => certId.der))
      expect(answer.nonce).toEqual(Buffer.alloc(128, 9))
    }
  })

  test('what was never issued is revoked as section 2.2 of RFC 6960 demands', async () => {
    const response = await writeOcspResponse({
      ...draft,
      extendedRevoke: true,
      responses: [{ ...single, status: { revokedAt: new Date(0), reason: reasonCodes.certificateHold } }],
    })
    const text = run({ 'response.der': response }, ['ocsp', '-respin', 'response.der', '-resp_text', '-noverify'])
    expect(text).toContain('Revocation Time: Jan  1 00:00:00 1970 GMT')
    expect(text).toContain('certificateHold')
    // openssl's table calls 1.3.6.1.5.5.7.48.1.9 "valid".
    expect(text).toMatch(/Response Extensions:\n\s+valid:/)
  })

  test.each([
    ['malformedRequest', 1],
    ['internalError', 2],
    ['tryLater', 3],
    ['sigRequired', 5],
    ['unauthorized', 6],
  ] as const)('%s is status %i and nothing else', (name, status) => {
    expect(ocspError(name)).toEqual(Buffer.from([0x30, 3, 0x0a, 1, status]))
  })
})

test('hashes are over the subject and the bits of the key', async () => {
  const { ca } = await issued('RSA-2048')
  const { sha1, sha512 } = issuerHashes(ca.fields)
  expect(sha1.key).toEqual(keyIdentifier(ca.fields.publicKey))
  expect(sha512.name).toEqual(createHash('sha512').update(ca.fields.subjectDer).digest())
})
