import type { KeyObject } from 'node:crypto'
import { type CertificateDraft, issueCertificate } from '../../pki/certificate.ts'
import type { CertificateFields } from '../../pki/certificateReader.ts'
import { verifyIssuedBy } from '../../pki/chain.ts'
import { keyIdentifier, type PublicKeyInfo } from '../../pki/publicKey.ts'
import { type Signer, signerFor } from '../../pki/signer.ts'
import type { Installation } from '../installation.ts'
import type { KeySpec } from '../key.ts'
import { newSerial } from '../uuid.ts'
import { type Issuer, type LoadedAuthority, loadAuthority } from './authority.ts'
import { backdate, ofRoots } from './authorityAdmin.ts'
import { readIssuingKeys } from './issuingKey.ts'

/** A next root, DER, with its link certificates where the one before has not ended. */
export interface NextRoot {
  newWithNew: Buffer
  links?: { newWithOld: Buffer; oldWithNew: Buffer }
}

/**
 * The next certificate of a root: its name, path length and name constraints, another key. The times of the link
 * certificates are those of RFC 9810 section 4.4.1. `old`: a signer over the key of `before`.
 */
export async function makeNextRoot(
  it: Installation,
  before: CertificateFields,
  { key, validity, old }: { key: KeyObject; validity: number; old: Signer },
): Promise<NextRoot> {
  const now = it.clock()
  const next = signerFor(key)
  const nextId = keyIdentifier(next.publicKey)
  const begin = new Date(now.getTime() - backdate)
  const common = { issuer: before.subjectDer, subject: before.subject, subjectDer: before.subjectDer }
  const of = (publicKey: PublicKeyInfo) => ({
    ...common,
    ...ofRoots(publicKey),
    publicKey,
    serial: newSerial(now),
    ...constraintsOf(before),
  })
  const newWithNew = await issueCertificate(
    {
      ...of(next.publicKey),
      notBefore: begin,
      notAfter: new Date(now.getTime() + validity),
      authorityKeyIdentifier: nextId,
    },
    next,
  )
  if (before.notAfter <= now) return { newWithNew }
  const ends = Math.min(before.notAfter.getTime(), now.getTime() + validity)
  const newWithOld: CertificateDraft = {
    ...of(next.publicKey),
    notBefore: begin,
    notAfter: new Date(ends),
    ...(before.ski ? { authorityKeyIdentifier: before.ski } : {}),
  }
  const oldWithNew: CertificateDraft = {
    ...of(before.publicKey),
    notBefore: before.notBefore,
    notAfter: before.notAfter,
    ...(before.ski ? { subjectKeyIdentifier: before.ski } : {}),
    authorityKeyIdentifier: nextId,
  }
  const links = {
    newWithOld: await issueCertificate(newWithOld, old),
    oldWithNew: await issueCertificate(oldWithNew, next),
  }
  return { newWithNew, links }
}

/** What the next certificate of an authority has of the one before. */
export function constraintsOf({ pathLength, nameConstraints }: CertificateFields) {
  return {
    ...(pathLength === undefined ? {} : { pathLength }),
    ...(nameConstraints ? { nameConstraints } : {}),
  }
}

/** Whether it is a root: nobody above it, and signed by itself. */
export function isRoot({ certificate, chain }: Issuer): boolean {
  return chain.length === 0 && verifyIssuedBy(certificate, certificate)
}

/** The authority of ours that signed this certificate and can sign the next one; undefined where it is elsewhere. */
export async function parentOf(it: Installation, { certificate }: Issuer): Promise<LoadedAuthority | undefined> {
  for (const { certificates } of await readIssuingKeys(it)) {
    const [above] = certificates
    if (!verifyIssuedBy(certificate, above.certificate)) continue
    const parent = await loadAuthority(it, above.authorityId)
    if (parent.signs.sign) return parent
  }
  return undefined
}

/** A new key as the one before: of its kind, and as strong. */
export function sameKind({ algorithm, size, curve }: PublicKeyInfo): KeySpec {
  if (algorithm === 'RSA') return size > 3072 ? 'RSA-4096' : size > 2048 ? 'RSA-3072' : 'RSA-2048'
  return curve ?? 'Ed25519'
}
