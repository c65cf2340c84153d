import { createHmac, timingSafeEqual } from 'node:crypto'

export const TIMESTAMP_HEADER = 'x-countersign-timestamp'
export const SIGNATURE_HEADER = 'x-countersign-signature'

/** Who receives a message takes it for this long, in seconds, and so does a clock that is wrong. */
const TOLERANCE = 300

/**
 * The headers that prove who sent a body, and when: the timestamp in seconds, and `v1=` with the HMAC-SHA-256, in lower-case hex, of the timestamp, a dot and the
 * octets of the body.
 */
export function signWebhook(secret: Buffer, body: string, now: Date): Record<string, string> {
  const timestamp = String(Math.floor(now.getTime() / 1000))
  return { [TIMESTAMP_HEADER]: timestamp, [SIGNATURE_HEADER]: `v1=${mac(secret, timestamp, body).toString('hex')}` }
}

/** Of a message as it came; several signatures are separated by commas, and one that fits is enough: so a secret is changed. */
export interface SignedMessage {
  timestamp: string | undefined
  signature: string | undefined
  body: string
}

/** Whether such a message was signed with this secret within the last five minutes. Takes the same time whatever octet of the signature is wrong. */
export function verifyWebhook(secret: Buffer, { timestamp, signature, body }: SignedMessage, now: Date): boolean {
  if (timestamp === undefined || signature === undefined || !/^\d{1,12}$/.test(timestamp)) return false
  if (Math.abs(Math.floor(now.getTime() / 1000) - Number(timestamp)) > TOLERANCE) return false
  const expected = mac(secret, timestamp, body)
  const given = signature
    .slice(0, 1000)
    .split(',')
    .map((one) => one.trim())
  return given.some(
    (one) => /^v1=[0-9a-f]{64}$/.test(one) && timingSafeEqual(Buffer.from(one.slice(3), 'hex'), expected),
  )
}

function mac(secret: Buffer, timestamp: string, body: string): Buffer {
  return createHmac('sha256', secret).update(`${timestamp}.${body}`).digest()
}
