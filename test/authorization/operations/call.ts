import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { Operation } from '../../../protocols/ra/operation.ts'
import { operationTable } from '../../../src/cli/operationTable.ts'
import { commandLine } from '../../../src/cli/overHttps.ts'
import { discoveryReach } from '../../../src/reach/discoveryReach.ts'
import type { RaApp } from '../../helpers/raApp.ts'
import type { Row } from '../row.ts'
import type { Scene } from '../scene.ts'
import { operationRows } from './rows.ts'

const PLACE = '/v1/countersign/operations'

/** The same people and objects; who calls calls the operations of the command line. */
export function overHttps(scene: Scene): Scene {
  const routes = commandLine.routes(scene.app.host)
  scene.app.world.it.discovery = discoveryReach({ networks: 'loopback' })
  const call: RaApp['call'] = async (_, path, { by, raw, headers = {} } = {}) => {
    const token = typeof by === 'string' ? by : by?.token
    const sent = { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers }
    const incoming = new IncomingMessage(new Socket())
    incoming.method = 'POST'
    incoming.url = `/api${path}`
    Object.assign(incoming.headers, sent)
    incoming.push(Buffer.from(raw ?? '{"input":{}}'))
    incoming.push(null)
    const bindings = { incoming, outgoing: new ServerResponse(incoming) }
    const response = await routes.request(`https://ra.test/api${path}`, { method: 'POST', headers: sent }, bindings)
    const text = await response.text()
    return { status: response.status, headers: response.headers, text, json: JSON.parse(text) }
  }
  return { ...scene, app: { ...scene.app, call } }
}

/** Every operation as one of the API; what only reads is called a GET, which changes nothing for the next who asks. */
export const operations: Operation[] = [...operationTable.keys()].sort().map((name) => {
  const method = operationRows[name]?.reads ? 'get' : 'post'
  return { method, path: `${PLACE}/${name}`, tag: name.split('.')[0], summary: '' } as unknown as Operation
})

/** Throws for an operation of which the table says nothing. */
export function rowOfOperation(operation: Operation): Row {
  const row = operationRows[nameOf(operation)]
  if (row) return row
  throw new Error(
    `${nameOf(operation)} is not in the matrix: say in test/authorization/operations what it needs, with a sample`,
  )
}

export const nameOf = ({ path }: Operation): string => path.slice(PLACE.length + 1)
