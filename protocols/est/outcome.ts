import type { Certificate } from '../../src/core/certificate.ts'
import { Failure } from '../../src/core/failure.ts'
import type { SignRequest } from '../../src/core/request/request.ts'
import { type HttpAnswer, plain } from '../../src/http/answer.ts'
import { writeCertsOnly } from '../../src/pki/certsOnly.ts'
import { oneLine } from './errors.ts'
import type { Exchange } from './exchange.ts'
import { scheduleRevocation } from './replaced.ts'
import { base64Answer, CERTS_ONLY, isNameless } from './transfer.ts'

/**
 * What becomes of a request, as DESIGN section 2 has it for EST. `linked`: the connection has served for a proof of possession, and ends. `render`: the answer with
 * the certificate.
 */
export async function outcomeOf(
  exchange: Exchange,
  request: SignRequest,
  linked: boolean,
  render: (certificate: Certificate) => HttpAnswer | Promise<HttpAnswer> = ({ der }) =>
    base64Answer(exchange.incoming, CERTS_ONLY, writeCertsOnly([der])),
): Promise<HttpAnswer> {
  const answer = await told(exchange, request, render)
  return linked ? { ...answer, headers: { ...answer.headers, Connection: 'close' } } : answer
}

async function told(
  exchange: Exchange,
  request: SignRequest,
  render: (certificate: Certificate) => HttpAnswer | Promise<HttpAnswer>,
): Promise<HttpAnswer> {
  const { door, options, incoming } = exchange
  switch (request.status) {
    case 'requested':
    case 'signing': {
      const why = request.status === 'requested' ? 'the request waits for approval' : 'the certificate is being made'
      const wait = { 'Retry-After': String(Math.ceil(options.retryAfter / 1000)) }
      const answer = plain(202, `${why}: repeat it`, wait)
      return isNameless(incoming) ? { ...answer, body: '' } : answer
    }
    case 'signed': {
      const certificate = await door.findCertificate({ id: request.id })
      if (!certificate) throw new Failure('internal', 'a signed request has no certificate')
      const rendered = await render(certificate)
      await scheduleRevocation(exchange, request)
      return rendered
    }
    case 'denied':
    case 'expired':
    case 'canceled':
      await door.answered(request.uuid)
      return plain(403, oneLine(request.reason ?? REASONS[request.status]))
    case 'failed':
      await door.answered(request.uuid)
      return plain(503, oneLine(request.reason ?? 'the certificate could not be made'), { 'Retry-After': '3600' })
    case 'draft':
      throw new Failure('internal', 'an EST request is never a draft')
  }
}

const REASONS = {
  denied: 'the request was denied',
  expired: 'nobody approved the request in time',
  canceled: 'the request was withdrawn',
} as const
