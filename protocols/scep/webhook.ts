import { createHmac } from 'node:crypto'
import { request as overHttp } from 'node:http'
import { request as overHttps } from 'node:https'
import { z } from 'zod'
import type { AskElsewhere, ElsewhereAnswer } from '../../src/core/enrolment/challenge.ts'
import { guardedLookup, refuseAddress } from '../../src/http/webhookReach.ts'

/** A profile's settings for the system outside that decides: docs/operate/challenges.md. */
export const webhookOptions = z.strictObject({
  /** https, or http to an address that is loopback or private. */
  url: z
    .url({ protocol: /^https?$/ })
    .max(2000)
    .refine(withoutUser, 'no user and no fragment stand in it'),
  /** PEM of the certificates that its certificate may be issued by; absent: those that the system trusts. */
  ca: z.string().max(100_000).includes('-----BEGIN CERTIFICATE-----').optional(),
})
export type WebhookOptions = z.output<typeof webhookOptions>

/** What is decided on. */
export interface Question {
  profile: string
  transactionId: string
  /** RFC 4514. */
  subject: string
  identifiers: readonly { type: string; value: string }[]
  challenge: string
  /** DER of the CSR as the device made it, base64. */
  csr: string
  /** SHA-256 of its SubjectPublicKeyInfo, hex. */
  spkiSha256: string
  source: string | null
}

const TIME_OUT = 5_000
const LARGEST = 16 * 1024

const decision = z.looseObject({
  allow: z.boolean(),
  identity: z.string().max(200).optional(),
  reason: z.string().max(500).optional(),
})

function withoutUser(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { username, password, hash } = new URL(text)
  return username === '' && password === '' && hash === ''
}

/** What became of what it had allowed. */
export type Outcome = { profile: string; transactionId: string; spkiSha256: string } & (
  | { event: 'issued'; certificate: Record<string, string> }
  | { event: 'failed'; status: string; reason: string; hresult: number }
)

/**
 * Asks the webhook by one POST of JSON. `x-countersign-signature` is `v1=` and the HMAC-SHA-256, in hex, of
 * `x-countersign-timestamp` (seconds), a dot and the body. Whatever is not a 200 with a decision, within five seconds and
 * 16 KiB, rejects: nobody is let in by it. Redirects are not followed. `now`: of the signature.
 */
export function askWebhook(options: WebhookOptions, question: Question, now: Date, timeOut = TIME_OUT): AskElsewhere {
  return async (secret) => {
    const message = signed(secret, JSON.stringify({ version: 1, event: 'decide', ...question }), now)
    return read(await post(options, { ...message, timeOut, takes: (status) => status === 200 }))
  }
}

/** Tells the webhook, by a POST of the same form. Rejects unless it answers with a status of 200 to 299 within five seconds; what it says is not read. */
export function tellWebhook(options: WebhookOptions, outcome: Outcome, now: Date): (secret: Buffer) => Promise<void> {
  return async (secret) => {
    const message = signed(secret, JSON.stringify({ version: 1, ...outcome }), now)
    await post(options, { ...message, timeOut: TIME_OUT, takes: (status) => status >= 200 && status < 300 })
  }
}

function signed(secret: Buffer, body: string, now: Date): Pick<Message, 'headers' | 'body'> {
  const timestamp = String(Math.floor(now.getTime() / 1000))
  const signature = createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json',
    'accept-encoding': 'identity',
    'user-agent': 'countersign',
    'content-length': Buffer.byteLength(body),
    'x-countersign-timestamp': timestamp,
    'x-countersign-signature': `v1=${signature}`,
  }
  return { headers, body }
}

interface Message {
  headers: Record<string, string | number>
  body: string
  timeOut: number
  /** Which status is an answer. */
  takes(status: number): boolean
}

function post({ url: text, ca }: WebhookOptions, { headers, body, timeOut, takes }: Message): Promise<string> {
  const url = new URL(text)
  const secure = url.protocol === 'https:'
  refuseAddress(url.hostname, secure)
  return new Promise((resolve, reject) => {
    const common = { method: 'POST', headers, agent: false, lookup: guardedLookup(secure) } as const
    const signal = AbortSignal.timeout(timeOut)
    const request = secure
      ? overHttps(url, { ...common, signal, ...(ca === undefined ? {} : { ca }) })
      : overHttp(url, { ...common, signal })
    request.on('error', reject)
    request.on('response', (response) => {
      const chunks: Buffer[] = []
      let size = 0
      const stop = (why: string): void => {
        reject(new Error(why))
        request.destroy()
      }
      if (!takes(response.statusCode ?? 0)) return stop(`the webhook answered with the status ${response.statusCode}`)
      response.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > LARGEST) return stop(`the webhook answered with more than ${LARGEST} octets`)
        chunks.push(chunk)
      })
      response.on('error', reject)
      response.on('close', () => reject(new Error('the webhook ended its answer too early')))
      response.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')))
    })
    request.end(body)
  })
}

function read(text: string): ElsewhereAnswer {
  const { allow, identity, reason } = decision.parse(JSON.parse(text))
  return { allow, ...(identity === undefined ? {} : { identity }), ...(reason === undefined ? {} : { reason }) }
}
