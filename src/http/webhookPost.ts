import { request as overHttp } from 'node:http'
import { request as overHttps } from 'node:https'
import { guardedLookup, refuseAddress } from './webhookReach.ts'

const TIME_OUT = 10_000

export interface WebhookMessage {
  /** https, or http to an address that is loopback or private. */
  url: string
  /** PEM of the certificates that its certificate may be issued by; absent: those that the system trusts. */
  ca?: string | undefined
  /** Of the signature, beside those that every message has. */
  headers: Readonly<Record<string, string>>
  /** JSON. */
  body: string
}

/**
 * Tells a webhook something by one POST, to an address that webhooks may have (webhookReach.ts). Rejects unless it answers with a status of 200 to 299 within ten seconds; what
 * it says is not read, and redirects are not followed.
 */
export function postWebhook({ url: text, ca, headers, body }: WebhookMessage, timeOut = TIME_OUT): Promise<void> {
  const url = new URL(text)
  const secure = url.protocol === 'https:'
  if (!secure && url.protocol !== 'http:') return Promise.reject(new Error('a webhook is reached by https or http'))
  return new Promise((resolve, reject) => {
    refuseAddress(url.hostname, secure)
    const common = {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'countersign',
        ...headers,
        'content-length': Buffer.byteLength(body),
      },
      agent: false,
      lookup: guardedLookup(secure),
      signal: AbortSignal.timeout(timeOut),
    } as const
    const request = secure ? overHttps(url, { ...common, ...(ca === undefined ? {} : { ca }) }) : overHttp(url, common)
    request.on('error', reject)
    request.on('response', ({ statusCode = 0 }) => {
      if (statusCode >= 200 && statusCode < 300) resolve()
      else reject(new Error(`the webhook answered with the status ${statusCode}`))
      // Nothing more of it is of interest.
      request.destroy()
    })
    request.end(body)
  })
}
