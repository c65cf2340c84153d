import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadAuthority } from '../../src/core/authority/authority.ts'
import { system } from '../../src/core/requester.ts'
import { reasonCodes } from '../../src/pki/crl.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { type ForeignCa, foreignCa } from '../helpers/foreignCa.ts'
import { ocspRequest, useStatusServer } from '../helpers/statusServer.ts'

const it = useStatusServer()
const serials = ['05', `7f${'ab'.repeat(19)}`, `ff${'cd'.repeat(19)}`]

/** What openssl makes of an authority that came with its last CRL: as if it had always been here. */
describe('an imported authority', () => {
  let ca: ForeignCa
  let folder: string
  beforeAll(async () => {
    const { world } = it.status
    ca = await foreignCa(world.time.now)
    folder = mkdtempSync(join(tmpdir(), 'countersign-imported-'))
    writeFileSync(join(folder, 'ca.pem'), ca.certificate)
    const revokedAt = new Date(world.time.now.getTime() - 86_400_000)
    const entries = serials.map((serial) => ({ serial, revokedAt, reason: reasonCodes.keyCompromise }))
    const crl = await ca.crl({ number: 2n ** 130n, entries })
    await world.core.as(system('test')).admin.importAuthority({ name: 'taken', pem: ca.withKey, crl })
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const openssl = (...args: string[]) =>
    execFileSync('openssl', args, { cwd: folder, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] })

  async function ocsp(serial: string): Promise<string> {
    const { issuer } = await loadAuthority(it.status.world.it, 'taken')
    if (!issuer) throw new Error('no issuer')
    const headers = { 'content-type': 'application/ocsp-request' }
    const answer = await it.status.ask('/ocsp/taken', { method: 'POST', headers, body: ocspRequest(issuer, [serial]) })
    writeFileSync(join(folder, 'answer.der'), answer.body)
    const asked = ['-issuer', 'ca.pem', '-serial', `0x${serial}`, '-CAfile', 'ca.pem', '-no_nonce']
    return openssl('ocsp', ...asked, '-respin', 'answer.der')
  }

  async function fetchCrl(): Promise<string> {
    writeFileSync(join(folder, 'taken.crl'), (await it.status.ask('/crl/taken.crl')).body)
    return openssl('crl', '-inform', 'DER', '-in', 'taken.crl', '-CAfile', 'ca.pem', '-noout', '-text')
  }

  test.each(serials)('OCSP says revoked for %s, with its reason', async (serial) => {
    expect(await ocsp(serial)).toMatch(/: revoked\n[\s\S]*Reason: keyCompromise/)
  })

  test('OCSP knows nothing of a serial that its CRL did not list', async () => {
    expect(await ocsp('06')).toMatch(/: unknown\n/)
  })

  test('its CRL here lists them, under a higher number', async () => {
    const text = await fetchCrl()
    const listed = [...text.matchAll(/Serial Number: ([0-9A-F]+)/g)].map(([, serial]) => serial?.toLowerCase())
    expect(listed.sort()).toEqual([...serials].sort())
    const [, number = '0'] = /X509v3 CRL Number:\s+(\S+)/.exec(text) ?? []
    expect(BigInt(number)).toBeGreaterThan(2n ** 130n)
  })

  test('a certificate that it revoked before is refused by openssl verify, another is not', async () => {
    const [revoked, good] = [await ca.issue({ serial: '05' }), await ca.issue({ serial: '0600' })]
    await fetchCrl()
    openssl('crl', '-inform', 'DER', '-in', 'taken.crl', '-out', 'crl.pem')
    const verify = (der: Buffer) => {
      writeFileSync(join(folder, 'leaf.pem'), pemEncode('CERTIFICATE', der))
      return openssl('verify', '-crl_check', '-CAfile', 'ca.pem', '-CRLfile', 'crl.pem', 'leaf.pem')
    }
    expect(verify(good.der)).toMatch(/OK/)
    expect(() => verify(revoked.der)).toThrow(/certificate revoked/)
  })
})
