import type { IncomingMessage } from 'node:http'
import { Failure } from '../../src/core/failure.ts'
import type { OcspAnswer, OcspQuestion } from '../../src/core/ocsp.ts'
import type { Requester } from '../../src/core/requester.ts'
import { type HttpAnswer, plain } from '../../src/http/answer.ts'
import { readBody } from '../../src/http/body.ts'
import type { Host } from '../../src/protocol.ts'
import { cacheControl, isUnchanged, type Validators, validatorsOf } from './freshness.ts'
import { decodeOcspPath, MAX_REQUEST, readOcspPath } from './pathRequest.ts'

const METHODS = { Allow: 'GET, HEAD, POST' }
const ANYONE: Requester = { kind: 'key-holder', ref: 'anonymous', name: 'anyone', people: [] }
const TYPE = 'application/ocsp-response'

/** One exchange of RFC 6960 appendix A.1, at once where the answer is there. Never rejects: what goes wrong is an unsigned answer. */
export type Answering = (incoming: IncomingMessage) => HttpAnswer | Promise<HttpAnswer>

export function createAnswering(host: Host): Answering {
  const door = host.core.as(ANYONE)
  const render = createRenderer(host.clock)

  function ask(incoming: IncomingMessage, question: OcspQuestion): HttpAnswer | Promise<HttpAnswer> {
    const answer = door.ocsp(question)
    return answer instanceof Promise ? answer.then((ready) => render(incoming, ready)) : render(incoming, answer)
  }

  return (incoming) => {
    const path = readOcspPath(incoming.url ?? '')
    if (!path) return plain(404, 'ask at /ocsp/{authority}')
    const { encoded } = path
    switch (incoming.method) {
      case 'GET':
      case 'HEAD':
        return ask(incoming, { text: encoded, der: () => decodeOcspPath(encoded) })
      case 'POST':
        if (encoded !== '') return plain(404, 'post to /ocsp/{authority}')
        return answerPost(incoming, (question) => ask(incoming, question))
      default:
        return plain(405, 'OCSP takes GET and POST', METHODS)
    }
  }
}

async function answerPost(
  incoming: IncomingMessage,
  ask: (question: OcspQuestion) => HttpAnswer | Promise<HttpAnswer>,
): Promise<HttpAnswer> {
  const type = incoming.headers['content-type']
  if (type !== undefined && type !== 'application/ocsp-request' && !/^application\/ocsp-request\s*(;|$)/i.test(type))
    return plain(415, 'post an application/ocsp-request', { Accept: 'application/ocsp-request' })
  let body: Buffer
  try {
    body = await readBody(incoming, MAX_REQUEST)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    const status = error.code === 'tooLarge' ? 413 : 400
    return plain(status, error.detail, { Connection: 'close' })
  }
  // DER begins with another character than base64 of it: no text stands for two requests.
  return ask({ text: body.toString('latin1'), der: () => body })
}

/** Answers that are given out again are dressed once. */
interface Dressed extends Validators {
  cacheControl: string
  answer: HttpAnswer
}

function createRenderer(clock: () => Date) {
  const dressed = new WeakMap<OcspAnswer, Dressed>()
  return (incoming: IncomingMessage, answer: OcspAnswer): HttpAnswer => {
    const { der, signed } = answer
    if (!signed)
      return { status: 200, headers: { 'Content-Type': TYPE, 'Cache-Control': 'no-cache, no-store' }, body: der }
    const control = cacheControl(signed, clock())
    if (signed.nonce) return { status: 200, headers: { 'Content-Type': TYPE, 'Cache-Control': control }, body: der }
    let known = dressed.get(answer)
    if (known?.cacheControl !== control) {
      known = dress(answer, signed, control)
      dressed.set(answer, known)
    }
    if (incoming.method === 'POST' || !isUnchanged(incoming.headers, known, signed)) return known.answer
    const { 'Content-Type': _, ...headers } = known.answer.headers
    return { status: 304, headers, body: '' }
  }
}

function dress({ der }: OcspAnswer, signed: NonNullable<OcspAnswer['signed']>, control: string): Dressed {
  const validators = validatorsOf(der, signed.thisUpdate)
  const headers = {
    'Content-Type': TYPE,
    'Cache-Control': control,
    ETag: validators.tag,
    Expires: signed.nextUpdate.toUTCString(),
    'Last-Modified': validators.modified,
  }
  return { ...validators, cacheControl: control, answer: { status: 200, headers, body: der } }
}
