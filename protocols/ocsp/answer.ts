import type { IncomingMessage } from 'node:http'
import { Failure } from '../../src/core/failure.ts'
import type { Requester } from '../../src/core/requester.ts'
import { DatabaseUnavailable } from '../../src/db/transaction.ts'
import { type HttpAnswer, plain } from '../../src/http/answer.ts'
import { readBody } from '../../src/http/body.ts'
import { requestId } from '../../src/http/requestId.ts'
import { PkiError } from '../../src/pki/error.ts'
import { type OcspRequest, parseOcspRequest } from '../../src/pki/ocsp.ts'
import { type OcspError, ocspError } from '../../src/pki/ocspResponse.ts'
import type { Host } from '../../src/protocol.ts'
import { cacheHeaders } from './freshness.ts'
import { decodeOcspPath, MAX_REQUEST, type OcspPath, readOcspPath } from './pathRequest.ts'

const METHODS = { Allow: 'GET, HEAD, POST' }

/** One exchange of RFC 6960 appendix A.1. Never rejects: what goes wrong here is an unsigned answer of OCSP's own. */
export function answer(host: Host, incoming: IncomingMessage): Promise<HttpAnswer> {
  const path = readOcspPath(incoming.url ?? '')
  if (!path) return Promise.resolve(plain(404, 'ask at /ocsp/{authority}'))
  switch (incoming.method) {
    case 'GET':
    case 'HEAD':
      return answerGet(host, incoming, path)
    case 'POST':
      return answerPost(host, incoming, path)
    default:
      return Promise.resolve(plain(405, 'OCSP takes GET and POST', METHODS))
  }
}

async function answerGet(host: Host, incoming: IncomingMessage, { encoded }: OcspPath): Promise<HttpAnswer> {
  const request = read(decodeOcspPath(encoded))
  if (typeof request === 'string') return ocsp(ocspError(request))
  const response = await respond(host, incoming, request)
  // An answer with a nonce is good for this one client (RFC 9654 section 4).
  return request.nonce ? ocsp(response) : ocsp(response, cacheHeaders(response, host.clock()))
}

async function answerPost(host: Host, incoming: IncomingMessage, { encoded }: OcspPath): Promise<HttpAnswer> {
  if (encoded !== '') return plain(404, 'post to /ocsp/{authority}')
  const type = incoming.headers['content-type']
  if (type !== undefined && !/^application\/ocsp-request\s*(;|$)/i.test(type))
    return plain(415, 'post an application/ocsp-request', { Accept: 'application/ocsp-request' })
  try {
    const request = read(await readBody(incoming, MAX_REQUEST))
    return ocsp(typeof request === 'string' ? ocspError(request) : await respond(host, incoming, request))
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    const status = error.code === 'tooLarge' ? 413 : 400
    return plain(status, error.detail, { Connection: 'close' })
  }
}

function read(der: Buffer | undefined): OcspRequest | OcspError {
  if (!der) return 'malformedRequest'
  try {
    return parseOcspRequest(der)
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
    // Well formed, but a hash or a critical extension that we do not know: we cannot say anything about it (section 2.3).
    return error.kind === 'unsupported' ? 'unauthorized' : 'malformedRequest'
  }
}

async function respond(host: Host, incoming: IncomingMessage, request: OcspRequest): Promise<Buffer> {
  const source = host.sourceAddress(incoming)
  const anyone: Requester = {
    kind: 'key-holder',
    ref: 'anonymous',
    name: 'anyone',
    people: [],
    ...(source === undefined ? {} : { source }),
  }
  try {
    return await host.core.as(anyone).ocsp(request)
  } catch (error) {
    if (error instanceof DatabaseUnavailable) return ocspError('tryLater')
    if (error instanceof Failure && error.code === 'unavailable') return ocspError('tryLater')
    host.log.error({ err: error, request: requestId(incoming) }, 'OCSP failed')
    return ocspError('internalError')
  }
}

function ocsp(body: Buffer, headers: Record<string, string> = { 'Cache-Control': 'no-store' }): HttpAnswer {
  return { status: 200, headers: { 'Content-Type': 'application/ocsp-response', ...headers }, body }
}
