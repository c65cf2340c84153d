import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  SIGNATURE_HEADER,
  signWebhook,
  TIMESTAMP_HEADER,
  verifyWebhook,
} from '../../src/core/webhook/webhookSignature.ts'

const secret = Buffer.from('a secret of the webhook')
const now = new Date('2027-03-01T08:00:00.700Z')
const body = '{"event":"ä"}'
const headers = signWebhook(secret, body, now)
const message = { timestamp: headers[TIMESTAMP_HEADER], signature: headers[SIGNATURE_HEADER], body }

describe('a signed message', () => {
  test('is HMAC-SHA-256 over timestamp, dot and body', () => {
    const expected = createHmac('sha256', secret).update(`1803888000.${body}`, 'utf8').digest('hex')
    expect(headers).toEqual({ [TIMESTAMP_HEADER]: '1803888000', [SIGNATURE_HEADER]: `v1=${expected}` })
  })

  test('is taken for five minutes, and beside another signature', () => {
    expect(verifyWebhook(secret, message, now)).toBe(true)
    expect(verifyWebhook(secret, message, new Date(now.getTime() + 299_000))).toBe(true)
    const both = `v1=${'0'.repeat(64)}, ${message.signature}`
    expect(verifyWebhook(secret, { ...message, signature: both }, now)).toBe(true)
  })

  test.each([
    ['later', message, new Date(now.getTime() + 301_000)],
    ['too early', message, new Date(now.getTime() - 301_000)],
    ['with another body', { ...message, body: `${body} ` }, now],
    ['with another time', { ...message, timestamp: '1803888001' }, now],
    ['with a time that is none', { ...message, timestamp: '1803888000.0' }, now],
    ['without a time', { ...message, timestamp: undefined }, now],
    ['without a signature', { ...message, signature: undefined }, now],
    ['with a signature of another version', { ...message, signature: message.signature?.replace('v1', 'v2') }, now],
    ['with a shorter signature', { ...message, signature: message.signature?.slice(0, -2) }, now],
  ])('is refused %s', (_, given, at) => {
    expect(verifyWebhook(secret, given, at)).toBe(false)
  })

  test('is refused under another secret, and whatever the text', () => {
    expect(verifyWebhook(Buffer.from('another'), message, now)).toBe(false)
    fc.assert(
      fc.property(fc.string(), fc.string(), (timestamp, signature) => {
        expect(verifyWebhook(secret, { timestamp, signature, body }, now)).toBe(false)
      }),
    )
  })
})
