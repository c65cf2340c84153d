import type { IncomingMessage } from 'node:http'
import { Failure } from '../core/failure.ts'
import { takeOctets } from './bodyBudget.ts'

/**
 * Reads a request's body, of at most `limit` octets. Reads the raw request, because the framework's own limiter makes a real
 * Request of it first, which costs twenty times as much. Call it once, before anything else has touched the body.
 *
 * Throws Failure('tooLarge') as soon as more is announced or has come: the answer must then carry `Connection: close`, since the
 * rest is still on its way. Throws Failure('unavailable') where the bodies of all requests together are more than the server holds,
 * and Failure('malformed') when the client goes away in the middle.
 */
export function readBody(incoming: IncomingMessage, limit: number): Promise<Buffer> {
  const announced = Number(incoming.headers['content-length'] ?? 0)
  if (announced > limit) return Promise.reject(tooLarge(limit))
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    const stop = (failure: Failure) => {
      incoming.off('data', take).off('end', finish).off('close', leave).pause()
      reject(failure)
    }
    const take = (chunk: Buffer) => {
      length += chunk.length
      if (length > limit) stop(tooLarge(limit))
      else if (!takeOctets(incoming, chunk.length)) stop(tooMuch())
      else chunks.push(chunk)
    }
    const finish = () => {
      incoming.off('close', leave)
      resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, length))
    }
    const leave = () => stop(new Failure('malformed', 'the request ended before its body did'))
    incoming.on('data', take).once('end', finish).once('close', leave)
    // What happens to the connection after the answer is no news.
    incoming.on('error', ignore)
  })
}

function ignore(): void {}

function tooLarge(limit: number): Failure {
  return new Failure('tooLarge', `the body of this request may have at most ${limit} octets`)
}

function tooMuch(): Failure {
  return new Failure('unavailable', 'this server is being sent too much at once: ask again soon', { retryAfter: 5 })
}
