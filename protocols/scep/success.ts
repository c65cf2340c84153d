import type { Certificate } from '../../src/core/certificate.ts'
import { Failure } from '../../src/core/failure.ts'
import type { SignRequest } from '../../src/core/request/request.ts'
import { writeCertsOnly } from '../../src/pki/certsOnly.ts'
import type { EnvelopeRecipient } from '../../src/pki/envelopedData.ts'
import type { Outcome } from './certRep.ts'
import { transportOf } from './envelope.ts'
import { Refusal } from './errors.ts'
import type { Exchange } from './exchange.ts'
import type { PkiMessage } from './message.ts'

/** What becomes of a request, as DESIGN and docs/issuance-cycle.md have it for SCEP. `password`: the client's challenge, where its key cannot decrypt. */
export async function outcomeOf(
  exchange: Exchange,
  message: PkiMessage,
  request: SignRequest,
  password?: string,
): Promise<Outcome> {
  const { door } = exchange
  switch (request.status) {
    case 'requested':
    case 'signing':
      return { status: 'PENDING' }
    case 'signed': {
      const certificate = await door.findCertificate({ id: request.id })
      if (!certificate) throw new Failure('internal', 'a signed request has no certificate')
      return success(exchange, message, await withChain(exchange, certificate), password)
    }
    case 'denied':
    case 'expired':
    case 'canceled':
    case 'failed':
      await door.answered(request.uuid)
      throw new Refusal('badRequest', request.reason ?? REASONS[request.status])
    case 'draft':
      throw new Failure('internal', 'a SCEP request is never a draft')
  }
}

const REASONS = {
  denied: 'the request was denied',
  expired: 'nobody approved the request in time',
  canceled: 'the request was withdrawn',
  failed: 'the certificate could not be made',
} as const

async function withChain({ door, options }: Exchange, certificate: Certificate): Promise<Buffer> {
  const above = options.answer === 'chain' ? await door.chain(certificate) : []
  return writeCertsOnly([certificate.der, ...above])
}

/** A SUCCESS whose content goes to the signer of the message, by the client's cipher and key transport. */
export function success(exchange: Exchange, message: PkiMessage, content: Buffer, password?: string): Outcome {
  const { envelope } = message
  if (!exchange.options.ciphers.includes(envelope.cipher))
    throw new Refusal('badAlg', `the content cipher ${envelope.cipher} is not taken here`)
  return { status: 'SUCCESS', content, recipient: recipient(message, password), cipher: envelope.cipher }
}

const MIN_RSA_BITS = 2048

/**
 * To whom an answer can be enveloped: the signer's RSA key, or, where the key cannot decrypt, whoever knows the challenge (RFC 8894 section 3.1). Throws
 * Refusal where neither is possible: ask before anything is issued.
 */
export function recipient({ signed, envelope }: PkiMessage, password: string | undefined): EnvelopeRecipient {
  const { der, publicKey } = signed.signer
  if (publicKey.algorithm === 'RSA') {
    if (publicKey.size < MIN_RSA_BITS)
      throw new Refusal('badAlg', `an answer is enveloped to RSA keys of ${MIN_RSA_BITS} bits or more`)
    return { certificate: der, transport: transportOf(envelope) }
  }
  if (password) return { password: Buffer.from(password) }
  throw new Refusal(
    'badAlg',
    'no answer can be enveloped to this key: sign with an RSA key, or repeat the PKCSReq with its challengePassword',
  )
}
