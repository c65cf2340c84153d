import type { IncomingMessage } from 'node:http'
import type { Requester } from '../../src/core/requester.ts'
import { type HttpAnswer, plain } from '../../src/http/answer.ts'
import type { Host } from '../../src/protocol.ts'
import { caCertificates } from './caCertificates.ts'
import { csrAttributes } from './csrattrs.ts'
import { enroll } from './enroll.ts'
import { asAnswer } from './errors.ts'
import type { Exchange, Operate } from './exchange.ts'
import { fullCmc } from './fullcmc.ts'
import { optionsOf } from './options.ts'
import { type Operation, operations, readTarget, type Target } from './paths.ts'
import { reenroll } from './reenroll.ts'
import { serverKeyGen } from './serverkeygen.ts'

const operate = {
  cacerts: caCertificates,
  csrattrs: csrAttributes,
  simpleenroll: enroll,
  simplereenroll: reenroll,
  serverkeygen: serverKeyGen,
  fullcmc: fullCmc,
} satisfies Record<Operation, Operate>

/** One exchange over HTTP: RFC 7030 section 3.2. */
export async function answer(host: Host, incoming: IncomingMessage): Promise<HttpAnswer> {
  const target = readTarget(incoming.url ?? '')
  if (!target) return plain(404, 'ask at /.well-known/est/OPERATION or /.well-known/est/LABEL/OPERATION')
  const { method } = incoming
  const allowed = operations[target.operation]
  if (method !== allowed && !(method === 'HEAD' && allowed === 'GET'))
    return plain(405, `${target.operation} takes ${allowed}`, { Allow: allowed, Connection: 'close' })
  try {
    return await operate[target.operation](await open(host, incoming, target))
  } catch (error) {
    const refused = asAnswer(error, incoming)
    if (!refused) throw error
    return refused
  }
}

async function open(host: Host, incoming: IncomingMessage, { profile: name, operation }: Target): Promise<Exchange> {
  const source = host.sourceAddress(incoming)
  const door = host.core.as(anyone(source))
  const profile = await door.profile(name, 'est')
  return { host, incoming, operation, profile, options: optionsOf(profile), source, door, now: host.clock() }
}

function anyone(source: string | undefined): Requester {
  const known = source === undefined ? {} : { source }
  return { kind: 'key-holder', ref: 'anonymous', name: 'anyone', people: [], ...known }
}
