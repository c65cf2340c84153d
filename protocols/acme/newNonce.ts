import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Answer, sendProblem } from './answer.ts'
import { asAcmeError } from './errors.ts'
import type { AcmeServer } from './server.ts'
import { urls } from './urls.ts'

/** RFC 8555 section 7.2: HEAD 200, GET 204, and 200 for a POST-as-GET. */
export function newNonce(method: string): Answer {
  return { status: method === 'GET' ? 204 : 200 }
}

const PATH = /^\/acme\/([a-z0-9][a-z0-9-]{0,62})\/new-nonce$/

/** The same answer before the framework: some clients ask for a nonce before each POST. */
export function fastNewNonce({ host, nonces }: AcmeServer) {
  return ({ method, url = '' }: IncomingMessage, response: ServerResponse): boolean => {
    if (method !== 'HEAD' && method !== 'GET') return false
    const profile = PATH.exec(url)?.[1]
    if (profile === undefined) return false
    const answer = (nonce: string) => {
      response.writeHead(method === 'GET' ? 204 : 200, {
        'Access-Control-Allow-Origin': '*',
        'Access-Control-Expose-Headers': 'Link, Location, Replay-Nonce, Retry-After',
        'Cache-Control': 'no-store',
        Link: `<${urls.directory(`${host.baseUrl}/acme/${profile}`)}>;rel="index"`,
        'Replay-Nonce': nonce,
      })
      response.end()
    }
    const nonce = nonces.issue()
    if (typeof nonce === 'string') answer(nonce)
    else
      nonce.then(answer, async (error: unknown) => {
        host.log.error({ err: error }, 'no nonce could be issued')
        const root = `${host.baseUrl}/acme/${profile}`
        const problem = sendProblem(asAcmeError(error), { root, nonce: undefined })
        response.writeHead(problem.status, Object.fromEntries(problem.headers)).end(await problem.text())
      })
    return true
  }
}
