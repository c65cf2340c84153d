import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CertificateDraft, issueCertificate } from '../../src/pki/certificate.ts'
import { type CertificateFields, readCertificate } from '../../src/pki/certificateReader.ts'
import { type Name, nameOf } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { keyIdentifier, publicKeyFrom } from '../../src/pki/publicKey.ts'
import { type Signer, signerFor } from '../../src/pki/signer.ts'
import { rsaPair } from './rsaKeys.ts'

export const KEY_KINDS = ['P-256', 'P-384', 'P-521', 'Ed25519', 'RSA-2048', 'RSA-3072'] as const
export type KeyKind = (typeof KEY_KINDS)[number]

const pairs = new Map<string, { privateKey: KeyObject; publicKey: KeyObject }>()

/** A key pair, made once per kind and label. */
export function keyPair(kind: KeyKind, label = '') {
  const known = pairs.get(kind + label)
  if (known) return known
  const made = kind.startsWith('RSA')
    ? rsaPair(Number(kind.slice(4)))
    : kind === 'Ed25519'
      ? generateKeyPairSync('ed25519')
      : generateKeyPairSync('ec', { namedCurve: kind })
  pairs.set(kind + label, made)
  return made
}

const day = 86_400_000
/** Whole seconds, as certificates have them. */
export const now = new Date('2026-06-01T12:00:00Z')
export const later = (days: number): Date => new Date(now.getTime() + days * day)

const serials = (function* () {
  for (let n = 1; ; n++) yield `0198${n.toString(16).padStart(28, '0')}`
})()

export interface Authority {
  certificate: Buffer
  fields: CertificateFields
  signer: Signer
  name: Name
}

/** An authority; without `parent` it signs itself. */
export async function authority(
  kind: KeyKind,
  { cn = `Test ${kind}`, parent, ...more }: Partial<CertificateDraft> & { cn?: string; parent?: Authority } = {},
): Promise<Authority> {
  const signer = signerFor(keyPair(kind, `ca ${cn}`).privateKey)
  const name = nameOf({ C: 'DE', O: 'Example', CN: cn })
  const draft: CertificateDraft = {
    ...leafDraft(parent),
    issuer: parent ? parent.fields.subjectDer : name,
    subject: name,
    notBefore: later(-30),
    notAfter: later(3650),
    publicKey: signer.publicKey,
    type: 'ca',
    identifiers: [],
    keyUsage: ['keyCertSign', 'cRLSign'],
    extendedKeyUsage: [],
    ...more,
  }
  const certificate = await issueCertificate(draft, parent?.signer ?? signer)
  return { certificate, fields: readCertificate(certificate), signer, name }
}

/** A server certificate's draft for one name, all in order. */
export function leafDraft(issuer?: Authority, more: Partial<CertificateDraft> = {}): CertificateDraft {
  return {
    serial: serials.next().value,
    issuer: issuer?.fields.subjectDer ?? [],
    subject: nameOf({ CN: 'www.example.com' }),
    notBefore: later(-1),
    notAfter: later(89),
    publicKey: publicKeyFrom(keyPair('P-256', 'leaf').publicKey),
    type: 'server',
    identifiers: [{ type: 'dns', value: 'www.example.com' }],
    keyUsage: ['digitalSignature'],
    extendedKeyUsage: [OID.serverAuth],
    crlUrls: ['http://pki.example.com/crl/1'],
    ocspUrls: ['http://pki.example.com/ocsp'],
    issuerUrls: ['http://pki.example.com/ca.cer'],
    ...(issuer ? { authorityKeyIdentifier: keyIdentifier(issuer.signer.publicKey) } : {}),
    ...more,
  }
}

export const pem = (der: Buffer, label = 'CERTIFICATE'): string =>
  `-----BEGIN ${label}-----\n${der.toString('base64').replace(/.{1,64}/g, '$&\n')}-----END ${label}-----\n`

/** Runs openssl in a folder of its own that holds `files`; gives what it prints. Throws when it fails. */
export function openssl(files: Record<string, string | Buffer>, args: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'pki-'))
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
    return execFileSync('openssl', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } finally {
    rmSync(folder, { recursive: true })
  }
}
