import { Failure } from '../../src/core/failure.ts'
import { type CertificateFields, fingerprint, readCertificate } from '../../src/pki/certificateReader.ts'
import { verifyIssuedBy } from '../../src/pki/chain.ts'
import { readKeptCsr } from '../../src/pki/csr.ts'
import { PkiError } from '../../src/pki/error.ts'
import { pemDecode, pemEncode } from '../../src/pki/pem.ts'
import type { Call } from './operation.ts'
import { keepUploaded } from './requestRow.ts'
import { type Current, isForeign } from './requestState.ts'

const MOST = 16

/** Takes a chain that was signed elsewhere: of an authority that does so for us, or of nobody of ours. Throws Failure('malformed' | 'conflict'). */
export async function takeChain(call: Call, current: Current, text: string): Promise<void> {
  const { host, door } = call
  const { request, row } = current
  if (current.certificate)
    throw new Failure('conflict', 'Bad Request: it has a certificate already, which must be deleted first')
  const chain = readChain(text)
  const [leaf] = chain
  if (!leaf) throw new Failure('malformed', 'invalid request: could not decode PEM block')
  checkLeaf(leaf, current, host.clock())
  const ders = chain.map(({ der }) => der)
  if (request.status === 'signing' && (await isIssuer(door, request.authorityId, leaf))) {
    await door.upload(request.id, ders)
    return
  }
  const { id } = await door.inventory
    .upload({ der: leaf.der })
    .catch((error: unknown) => unlessDiscovered(call, current, leaf, error))
  try {
    if (request.status === 'requested' || request.status === 'signing')
      await door.approvals.cancel('sign', request.id, 'signed elsewhere')
    const pem = ders.map((der) => pemEncode('CERTIFICATE', der)).join('')
    await keepUploaded(host.db, row, { uploaded: id, chain: pem })
  } catch (error) {
    // Somebody has signed it here meanwhile: what was uploaded belongs to nothing.
    await forgetUploaded(door, id)
    throw error
  }
}

/** What somebody has found on a server before it was handed in is in the inventory of the organization, and stays there as it is. */
async function unlessDiscovered(
  { door }: Call,
  { row }: Current,
  leaf: CertificateFields,
  error: unknown,
): Promise<{ id: number }> {
  if (!(error instanceof Failure) || error.code !== 'conflict') throw error
  const where = [
    { field: 'fingerprint', condition: 'equals', value: fingerprint(leaf.der) },
    { field: 'source', condition: 'equals', value: ['discovered'] },
  ] as const
  const { rows } = await door.list.searchCertificates({ where: [...where], page: 1, size: 20 })
  for (const { id } of rows)
    if ((await door.findCertificate({ id }))?.organizationId === row.organization_id) return { id }
  throw error
}

/** Takes out of the inventory what came there with a chain; what was discovered stays. */
export async function forgetUploaded(door: Call['door'], id: number): Promise<void> {
  const known = await door.findCertificate({ id })
  if (known && isForeign(known) && known.source === 'uploaded') await door.inventory.remove([id])
}

/** The leaf first, each signed by the next one. */
function readChain(text: string): CertificateFields[] {
  try {
    const blocks = pemDecode(text)
    if (blocks.some(({ label }) => label !== 'CERTIFICATE'))
      throw new Failure('malformed', "invalid request: expected PEM block type 'CERTIFICATE'")
    if (blocks.length < 2 || blocks.length > MOST)
      throw new Failure('malformed', `invalid request: a chain has 2 to ${MOST} certificates, the leaf first`)
    const chain = blocks.map(({ der }) => readCertificate(der))
    chain.forEach((certificate, at) => {
      const next = chain[at + 1]
      if (next && !verifyIssuedBy(certificate, next))
        throw new Failure(
          'malformed',
          `invalid request: certificate ${at + 1} is not signed by the one that follows it`,
        )
    })
    return chain
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
    throw new Failure('malformed', `invalid request: could not parse the chain: ${error.message}`, { cause: error })
  }
}

function checkLeaf(leaf: CertificateFields, { request }: Current, now: Date): void {
  const refuse = (why: string) => {
    throw new Failure('malformed', `invalid request: ${why}`)
  }
  const asked = request.csr && readKeptCsr(request.csr)
  if (leaf.publicKey.spkiHash !== asked?.publicKey.spkiHash)
    refuse('certificate does not match CSR: its key is another')
  const given = new Set(leaf.identifiers.map(({ type, value }) => `${type}:${value}`))
  const missing = asked?.identifiers.find(({ type, value }) => !given.has(`${type}:${value}`))
  if (missing) refuse(`certificate does not match CSR: the name ${missing.value} is not in it`)
  if (leaf.isCa) refuse('the first certificate is one of a CA')
  if (leaf.notAfter <= now) refuse('the certificate has expired')
}

async function isIssuer(door: Call['door'], authorityId: number, leaf: CertificateFields): Promise<boolean> {
  const { active, earlier, next } = await door.authorityChain(authorityId)
  return [active, next, ...earlier].some((issuer) => issuer && verifyIssuedBy(leaf, issuer.certificate))
}
