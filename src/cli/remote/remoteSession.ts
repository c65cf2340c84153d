import { Failure } from '../../core/failure.ts'
import type { Operation, Wire } from '../operation.ts'
import { progress } from '../progress.ts'
import type { Session } from '../session.ts'
import { fromWire } from '../wireFailure.ts'
import { callHttps, type Server } from './httpsCall.ts'
import { callRest, jsonOf } from './rest.ts'

/** A run of the command line against a server elsewhere: the same operations, carried over HTTPS. */
export function openRemoteSession(server: Server): Session {
  return {
    settings() {
      throw new Failure('unsupported', 'this works beside the server alone, on its data folder: give --data')
    },
    remote: { url: server.url, call: (call) => progress(callRest(requireToken(server), call)) },
    async call<I, O>(operation: Operation<I, O>, input: I): Promise<Wire<O>> {
      const path = `/api/v1/countersign/operations/${operation.name}`
      const call = { method: 'POST', path, body: { input: input ?? {} } }
      const answer = await progress(callHttps(requireToken(server), call))
      const body = jsonOf(answer)
      if (answer.status === 200 && typeof body === 'object' && body !== null && 'output' in body)
        return body.output as Wire<O>
      throw fromWire(body)
    },
    close: async () => {},
  }
}

function requireToken(server: Server): Server {
  if (server.token !== undefined) return server
  throw new Failure(
    'unauthenticated',
    `nobody asks: countersign login ${server.url}, or put a token into COUNTERSIGN_TOKEN or a file for --token-file`,
  )
}
