import type { MessageKey } from '../../src/core/messageKey.ts'
import { identifies, readBareCertificate } from '../../src/pki/certificateIdentifier.ts'
import { type Csr, parseCsr } from '../../src/pki/csr.ts'
import { type EnvelopedData, type Opened, openEnvelopedData } from '../../src/pki/envelopedData.ts'
import { PkiError } from '../../src/pki/error.ts'
import { type KeyTransport, readKeyTransport } from '../../src/pki/keyTransport.ts'
import { Refusal } from './errors.ts'
import type { Exchange } from './exchange.ts'
import { countUnreadable } from './limits.ts'
import type { PkiMessage } from './message.ts'

/** The key of ours that an envelope is for. */
export function recipientOf({ keyRecipients }: EnvelopedData, keys: readonly MessageKey[]): MessageKey | undefined {
  return keys.find(({ certificate }) => {
    const ours = readBareCertificate(certificate)
    return keyRecipients.some(({ identifier }) => identifies(identifier, ours))
  })
}

/** Opens the envelope. Throws PkiError: `unsupported`, and `malformed` for all that is wrong inside. */
export function openEnvelope({ keys, options }: Exchange, { envelope }: PkiMessage): Promise<Opened> {
  return openEnvelopedData(envelope, { keys, ciphers: options.ciphers })
}

/**
 * Opens the envelope and reads the request in it. Whatever is wrong inside, of the envelope or of the request, is one and the same refusal: who sends altered
 * copies of another's message learns nothing of it (RFC 3218).
 */
export async function openRequest(exchange: Exchange, message: PkiMessage): Promise<Csr> {
  refuseVisible(exchange, message)
  try {
    const { content } = await openEnvelope(exchange, message)
    return parseCsr(content, { allowSha1: exchange.options.digests.includes('sha1') })
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
    await countUnreadable(exchange)
    throw new Refusal('badMessageCheck', CLOSED, { cause: error })
  }
}

const CLOSED =
  'the envelope cannot be opened with the key that this profile has, or holds no PKCS #10 request with a good signature by an algorithm that is taken'

/** What anybody can see from outside may be told apart. */
function refuseVisible({ options, keys }: Exchange, { envelope }: PkiMessage): void {
  const { cipher, keyRecipients } = envelope
  if (!options.ciphers.includes(cipher)) throw new Refusal('badAlg', `the content cipher ${cipher} is not taken here`)
  if (!recipientOf(envelope, keys))
    throw new Refusal('badMessageCheck', 'the message is enveloped for another key: ask GetCACert for the current one')
  for (const { algorithm } of keyRecipients) readKeyTransport(algorithm)
}

/** How the client has the content key transported; where that cannot be told, as everybody can. */
export function transportOf({ keyRecipients: [first] }: EnvelopedData): KeyTransport {
  try {
    return readKeyTransport(first?.algorithm)
  } catch (error) {
    if (error instanceof PkiError) return 'rsaes-pkcs1'
    throw error
  }
}
