import type { MessageKey } from '../../src/core/key/messageKey.ts'
import { identifies, readBareCertificate } from '../../src/pki/certificateIdentifier.ts'
import { type Csr, parseCsr } from '../../src/pki/csr.ts'
import { type EnvelopedData, openEnvelopedData } from '../../src/pki/envelopedData.ts'
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

/**
 * Opens the envelope and reads what is in it. Whatever is wrong inside, of the envelope or of its content, is one and the same refusal, whatever the type of the
 * message: who sends altered copies of another's envelope learns nothing of it (RFC 3218), and does not do it for long. `read` throws PkiError.
 */
export async function readEnveloped<Content>(
  exchange: Exchange,
  message: PkiMessage,
  what: string,
  read: (content: Buffer) => Content,
): Promise<Content> {
  refuseVisible(exchange, message)
  const { keys, options } = exchange
  try {
    return read((await openEnvelopedData(message.envelope, { keys, ciphers: options.ciphers })).content)
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
    await countUnreadable(exchange)
    const detail = `the envelope cannot be opened with the key that this profile has, or holds no ${what}`
    throw new Refusal('badMessageCheck', detail, { cause: error })
  }
}

/** The request in the envelope: PKCS #10. */
export function openRequest(exchange: Exchange, message: PkiMessage): Promise<Csr> {
  const allowSha1 = exchange.options.digests.includes('sha1')
  const what = 'PKCS #10 request with a good signature by an algorithm that is taken'
  return readEnveloped(exchange, message, what, (content) => parseCsr(content, { allowSha1 }))
}

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
