import { request as plainRequest } from 'node:http'
import { request as secureRequest } from 'node:https'

const patience = 3000

/**
 * Asks an address of this server itself (never one that somebody typed), trusting these certificates, DER, beside the system's. Answers what
 * came, in a few words; never throws.
 */
export function answersThere(url: string, roots: readonly Buffer[]): Promise<{ good: boolean; text: string }> {
  const ca = roots.map((der) => `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----\n`)
  const request = url.startsWith('https:') ? secureRequest : plainRequest
  const started = performance.now()
  return new Promise((resolve) => {
    const sent = request(url, { ca, agent: false, signal: AbortSignal.timeout(patience) }, (response) => {
      response.destroy()
      const { statusCode = 0 } = response
      const took = `${Math.round(performance.now() - started)} ms`
      resolve({ good: statusCode < 400, text: `answers ${statusCode} in ${took}` })
    })
    sent.on('error', ({ message, name }) => {
      resolve({ good: false, text: name === 'AbortError' ? 'no answer within 3 s' : message.slice(0, 200) })
    })
    sent.end()
  })
}
