import { writeCertsOnly } from '../../pki/certsOnly.ts'
import { pemEncode } from '../../pki/pem.ts'
import type { AdminContext } from '../adminActor.ts'
import { type Certificate, findCertificate } from '../certificate.ts'
import { Failure } from '../failure.ts'
import type { RequestRef } from '../request/request.ts'
import { noteDownloaded } from './certificateAccess.ts'
import { findItem } from './inventoryItem.ts'
import { chainFor } from './inventoryValidation.ts'

export interface DownloadForm {
  /** raw: certificates as they are; pkcs7: a certs-only message of them (.p7b). */
  format: 'raw' | 'pkcs7'
  encoding: 'der' | 'pem'
  /** none: the certificate alone; above: its issuers alone, nearest first; whole: both. */
  chain: 'none' | 'above' | 'whole'
}

/** See Inventory.download. */
export async function download(context: AdminContext, ref: RequestRef, form: DownloadForm): Promise<Buffer> {
  const { certificate, issuers } = await withChain(context, ref, form.chain !== 'none')
  const content = written(form, certificate, issuers)
  await noteDownloaded(context, certificate, form)
  return content
}

function written(form: DownloadForm, certificate: Certificate, issuers: Buffer[]): Buffer {
  const ders = [...(form.chain === 'above' ? [] : [certificate.der]), ...(form.chain === 'none' ? [] : issuers)]
  if (form.format === 'pkcs7') return encoded('PKCS7', writeCertsOnly(ders), form.encoding)
  if (form.encoding === 'pem') return Buffer.from(ders.map((der) => pemEncode('CERTIFICATE', der)).join(''))
  const [only, ...more] = ders
  if (!only) throw new Failure('notFound', 'there is nothing above this certificate')
  if (more.length > 0) throw new Failure('unsupported', 'several certificates go as PEM, or as pkcs7')
  return only
}

function encoded(label: string, der: Buffer, encoding: DownloadForm['encoding']): Buffer {
  return encoding === 'pem' ? Buffer.from(pemEncode(label, der)) : der
}

export interface ChainEntry {
  /** DER. */
  der: Buffer
  /** Of its own entry in the inventory, where it has one and is not the certificate that was asked about. */
  item?: number
}

/** See Inventory.chain. */
export async function chainOfItem(
  context: AdminContext,
  ref: RequestRef,
): Promise<{ complete: boolean; issuers: ChainEntry[] }> {
  const { chain } = await withChain(context, ref, true)
  const issuers = chain.issuers.map(({ fields, item }) => ({
    der: fields.der,
    ...(item === undefined ? {} : { item }),
  }))
  return { complete: chain.complete, issuers }
}

async function withChain({ it, requester }: AdminContext, ref: RequestRef, wanted: boolean) {
  const { id, source } = await findItem(it.db, requester, ref)
  const certificate = source === undefined ? undefined : await findCertificate(it.db, { id })
  if (!certificate) throw new Failure('notFound', 'there is no certificate yet')
  const chain = wanted ? await chainFor(it, certificate) : { issuers: [], complete: false }
  return { certificate, chain, issuers: chain.issuers.map(({ fields }) => fields.der) }
}
