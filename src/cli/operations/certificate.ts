import { z } from 'zod'
import type { Certificate, CertificateRef } from '../../core/certificate.ts'
import { Failure } from '../../core/failure.ts'
import { pemEncode } from '../../pki/pem.ts'
import { type OperationContext, operation } from '../operation.ts'
import { certificateRef, name, page, text } from './fields.ts'

export const list = operation({
  name: 'certificate.ls',
  input: z.strictObject({
    profile: name.optional(),
    authority: name.optional(),
    status: name.optional(),
    search: text(300).optional(),
    ...page,
  }),
  run: ({ door }, filter) => door.list.certificates(filter),
})

const given = { ref: certificateRef, authority: name.optional() }

export const show = operation({
  name: 'certificate.show',
  input: z.strictObject(given),
  run: async (context, input) => {
    const certificate = await find(context, input)
    const { rows } = await context.door.list.certificates({ after: certificate.id + 1, limit: 1 })
    const [row] = rows
    if (row?.id !== certificate.id) throw notFound()
    const { keyAlgorithm, fingerprint, spkiHash, renews } = certificate
    const chain = await context.door.chain(certificate)
    return {
      ...row,
      keyAlgorithm,
      fingerprint,
      spkiHash,
      renews: renews ?? null,
      pem: pemEncode('CERTIFICATE', certificate.der),
      chain: chain.map((der) => pemEncode('CERTIFICATE', der)).join(''),
    }
  },
})

export const revoke = operation({
  name: 'certificate.revoke',
  person: 'asks for a revocation',
  input: z.strictObject({
    ...given,
    reason: text(50).optional(),
    comment: text(1000).optional(),
    compromisedSince: z.iso.datetime({ offset: true }).optional(),
  }),
  run: async (context, { ref, authority, compromisedSince, ...draft }) => {
    const certificate = await find(context, { ref, ...(authority === undefined ? {} : { authority }) })
    const request = await context.door.revoke({
      protocol: context.over,
      certificate: certificate.id,
      grounds: 'user',
      ...draft,
      ...(compromisedSince === undefined ? {} : { invalidityDate: new Date(compromisedSince) }),
    })
    const { id, uuid, status, reason } = request
    return { id, uuid, status, reason: reason ?? null, certificate: certificate.id, serial: certificate.serial }
  },
})

/** What stands of the revocation of a certificate: the one that is open, else what the certificate is. */
export const revocation = operation({
  name: 'certificate.revocation',
  input: z.strictObject(given),
  run: async (context, input) => {
    const { id: certificate, serial, status } = await find(context, input)
    const { revocation } = await context.door.list.record(certificate)
    const { id, uuid } = revocation ?? { id: null, uuid: null }
    return { id, uuid, status: revocation?.status ?? status, reason: null, certificate, serial }
  },
})

export const unhold = operation({
  name: 'certificate.unhold',
  person: 'lifts a hold',
  input: z.strictObject(given),
  run: async (context, input) => {
    const { id } = await find(context, input)
    const { certificate, request } = await context.door.unhold({ protocol: context.over, certificate: id })
    const { serial, status } = certificate
    return { certificate: id, serial, status, request: request?.id ?? null }
  },
})

export const importOne = operation({
  name: 'certificate.import',
  input: z.strictObject({ authority: name, certificate: z.base64().max(100_000) }),
  run: async ({ door }, { authority, certificate }) => {
    const { id, uuid, serial, subject, status, notAfter, fingerprint } = await door.admin.importCertificate(
      authority,
      Buffer.from(certificate, 'base64'),
    )
    return { id, uuid, serial, subject, status, notAfter, fingerprint }
  },
})

async function find(
  { door }: OperationContext,
  { ref, authority }: { ref: CertificateRef; authority?: string },
): Promise<Certificate> {
  const found = await door.findCertificate('serial' in ref && authority !== undefined ? { ...ref, authority } : ref)
  // As over REST: what somebody may not read is not there for him, and the rules are asked nothing of it.
  const readable = found && (await door.list.record(found.id).catch(unlessUnseen))
  if (!found || !readable) throw notFound()
  return found
}

function unlessUnseen(error: unknown): undefined {
  if (error instanceof Failure && error.code === 'notFound') return undefined
  throw error
}

function notFound(): Failure {
  return new Failure(
    'notFound',
    'there is no such certificate; a serial number that two authorities gave needs --authority',
  )
}
