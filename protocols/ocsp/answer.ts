import type { IncomingMessage } from 'node:http'
import { Failure } from '../../src/core/failure.ts'
import type { OcspAnswer, OcspQuestion } from '../../src/core/ocsp/ocsp.ts'
import type { Requester } from '../../src/core/requester.ts'
import { readBody } from '../../src/http/body.ts'
import type { Host } from '../../src/protocol.ts'
import { cacheControl, isUnchanged, maxAge, type Validators, validatorsOf } from './freshness.ts'
import { decodeOcspPath, MAX_REQUEST, readOcspPath } from './pathRequest.ts'
import { plainReply, type Reply } from './reply.ts'

const METHODS = { Allow: 'GET, HEAD, POST' }
const ANYONE: Requester = { kind: 'key-holder', ref: 'anonymous', name: 'anyone', people: [] }
const TYPE = 'application/ocsp-response'

/**
 * One exchange of RFC 6960 appendix A.1, at once where the answer is there. `batch`: as in OcspQuestion. What goes wrong is an
 * unsigned answer; it rejects only for an error of ours.
 */
export type Answering = (incoming: IncomingMessage, batch?: object) => Reply | Promise<Reply>

export function createAnswering(host: Host): Answering {
  const door = host.core.as(ANYONE)
  const render = createRenderer(host.clock)

  function ask(incoming: IncomingMessage, question: OcspQuestion): Reply | Promise<Reply> {
    const answer = door.ocsp(question)
    return answer instanceof Promise ? answer.then((ready) => render(incoming, ready)) : render(incoming, answer)
  }

  return (incoming, batch) => {
    const path = readOcspPath(incoming.url ?? '')
    if (!path) return plainReply(404, 'ask at /ocsp/{authority}')
    const { encoded } = path
    switch (incoming.method) {
      case 'GET':
      case 'HEAD':
        return ask(incoming, { text: encoded, der: () => decodeOcspPath(encoded), batch })
      case 'POST': {
        if (encoded !== '') return plainReply(404, 'post to /ocsp/{authority}')
        // DER begins with another character than base64 of it: no text stands for two requests.
        const asked: Asked = (body, together) =>
          ask(incoming, { text: body.toString('latin1'), der: () => body, batch: together })
        return answerPost(incoming, asked, batch)
      }
      default:
        return plainReply(405, 'OCSP takes GET and POST', METHODS)
    }
  }
}

type Asked = (body: Buffer, together?: object) => Reply | Promise<Reply>

/** A body that is not here yet comes later than the others of its turn: what was looked up for them is too old for it. */
function answerPost(incoming: IncomingMessage, asked: Asked, together?: object): Reply | Promise<Reply> {
  const type = incoming.headers['content-type']
  if (type !== undefined && type !== 'application/ocsp-request' && !/^application\/ocsp-request\s*(;|$)/i.test(type))
    return plainReply(415, 'post an application/ocsp-request', { Accept: 'application/ocsp-request' })
  const body = bodyAtHand(incoming)
  return body ? asked(body, together) : answerPostLater(incoming, asked)
}

/** The body if all of it is here already, as that of a small request is when its head has been read. */
function bodyAtHand(incoming: IncomingMessage): Buffer | undefined {
  const { complete, readableLength } = incoming
  if (!complete || readableLength === 0 || readableLength > MAX_REQUEST) return undefined
  const body: unknown = incoming.read()
  return Buffer.isBuffer(body) ? body : undefined
}

async function answerPostLater(incoming: IncomingMessage, asked: Asked): Promise<Reply> {
  let body: Buffer
  try {
    body = await readBody(incoming, MAX_REQUEST)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    const status = error.code === 'tooLarge' ? 413 : 400
    return plainReply(status, error.detail, { Connection: 'close' })
  }
  return asked(body)
}

const UNSIGNED = ['Content-Type', TYPE, 'Cache-Control', 'no-cache, no-store', 'Content-Length']
const FOR_ONE = ['Content-Type', TYPE, 'Cache-Control', 'private, max-age=0', 'Content-Length']

/** Answers that are given out again are dressed once. */
interface Dressed extends Validators {
  maxAge: number
  whole: Reply
  unchanged: Reply
}

function createRenderer(clock: () => Date) {
  const dressed = new WeakMap<OcspAnswer, Dressed>()
  return (incoming: IncomingMessage, answer: OcspAnswer): Reply => {
    const { der, signed } = answer
    if (!signed || signed.nonce)
      return { status: 200, head: [...(signed ? FOR_ONE : UNSIGNED), String(der.length)], body: der.toString('latin1') }
    const age = maxAge(signed.nextUpdate, clock())
    let known = dressed.get(answer)
    if (known?.maxAge !== age) {
      known = dress(der, signed, age)
      dressed.set(answer, known)
    }
    return incoming.method !== 'POST' && isUnchanged(incoming.headers, known, signed) ? known.unchanged : known.whole
  }
}

function dress(der: Buffer, signed: NonNullable<OcspAnswer['signed']>, age: number): Dressed {
  const validators = validatorsOf(der, signed.thisUpdate)
  const head = [
    ...['Cache-Control', cacheControl(age), 'ETag', validators.tag],
    ...['Expires', signed.nextUpdate.toUTCString(), 'Last-Modified', validators.modified],
  ]
  const whole = {
    status: 200,
    head: ['Content-Type', TYPE, ...head, 'Content-Length', String(der.length)],
    body: der.toString('latin1'),
  }
  const unchanged = { status: 304, head, body: '' }
  return { tag: validators.tag, modified: validators.modified, maxAge: age, whole, unchanged }
}
