import { chmodSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { Config } from '../config.ts'
import type { Core } from '../core/core.ts'
import { Failure } from '../core/failure.ts'
import type { Log } from '../log.ts'
import { operationTable } from './operationTable.ts'
import { type Credentials, requesterOf } from './requester.ts'
import { shortPath, socketPath } from './socketPath.ts'
import { httpStatus, toWire } from './wireFailure.ts'

export interface OperationsSocket {
  core: Core
  config: Config
  /** For what is a bug: it leaves as `internal` without its detail. */
  it: { log: Log }
}

const largestBody = 8 * 1024 * 1024
/** Command lines at once; who comes later is refused by the system. */
const MOST = 64
/** Milliseconds for what is under way when the server ends. */
const LONGEST = 10_000

/**
 * Serves the command line of this machine on the socket of the data folder, mode 0600: POST /operations/{name} with {"input": …} as JSON, and who asks as Bearer token, as Basic name
 * and password, or without either as the local operator. Answers {"output": …} or {"error": {code, detail}}. Whoever calls it has claimed
 * the folder (src/disk/claim.ts): a socket file that stands there is of a crash.
 */
export async function startOperationsSocket({
  core,
  config,
  it,
}: OperationsSocket): Promise<{ close(): Promise<void> }> {
  const where = shortPath(socketPath(config.dataFolder))
  try {
    rmSync(where, { force: true })
  } catch (cause) {
    throw new Failure('conflict', `${where} is where the socket is to be, and cannot be taken away: do that first`, {
      cause,
    })
  }
  const server = createServer((request, response) => {
    handle({ core, config }, request).then(
      (output) => send(response, 200, { output: output ?? null }),
      (error: unknown) => {
        const failure =
          error instanceof Failure
            ? error
            : new Failure('internal', 'something went wrong; the log of the server says what')
        if (failure.code === 'internal')
          it.log.error({ err: error, operation: request.url }, 'an operation of the command line failed')
        send(response, httpStatus[failure.code], toWire(failure))
      },
    )
  })
  server.maxConnections = MOST
  await listen(server, where)
  chmodSync(where, 0o600)
  return {
    close: () =>
      new Promise((resolve) => {
        const late = setTimeout(() => server.closeAllConnections(), LONGEST)
        server.close(() => {
          clearTimeout(late)
          resolve()
        })
        server.closeIdleConnections()
      }),
  }
}

/** Throws Failure('conflict') where a server answers on the socket of the folder though it has not claimed it: one of an earlier version. */
export async function refuseAnswered(dataFolder: string): Promise<void> {
  const path = shortPath(socketPath(dataFolder))
  const answered = await new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
  if (answered)
    throw new Failure('conflict', `another server works on the data folder ${dataFolder}: it answers on ${path}`)
}

/** Under a mask that leaves nobody else in from the first moment on. */
function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    const mask = process.umask(0o177)
    try {
      server.listen(path, resolve)
    } finally {
      process.umask(mask)
    }
  })
}

async function handle(
  { core, config }: Pick<OperationsSocket, 'core' | 'config'>,
  request: IncomingMessage,
): Promise<unknown> {
  const [, name] = /^\/operations\/([a-z.-]{1,50})$/.exec(request.url ?? '') ?? []
  const operation = name === undefined ? undefined : operationTable.get(name)
  const input = await readInput(request, operation?.largest ?? largestBody)
  if (!operation) {
    throw new Failure(
      'notFound',
      `this server knows no operation ${name ?? ''}: are it and the command line of the same version?`,
    )
  }
  if (request.method !== 'POST') throw new Failure('malformed', 'an operation is a POST')
  const requester = await requesterOf(core, credentialsOf(request.headers.authorization))
  return operation.execute({ requester, door: core.as(requester), over: 'cli', beside: { core, config } }, input)
}

/** Throws Failure('unauthenticated') for a header that is neither Bearer nor Basic. */
export function credentialsOf(header: string | undefined): Credentials {
  if (header === undefined) return undefined
  const [, scheme, value] = /^(bearer|basic) ([A-Za-z0-9_+/=.~-]{1,4000})$/i.exec(header) ?? []
  if (scheme?.toLowerCase() === 'bearer' && value !== undefined) return { token: value }
  const pair = Buffer.from(value ?? '', 'base64').toString('utf8')
  const colon = pair.indexOf(':')
  if (scheme === undefined || colon < 1)
    throw new Failure('unauthenticated', 'a token or a name with a password is needed')
  return { user: pair.slice(0, colon), password: pair.slice(colon + 1) }
}

async function readInput(request: IncomingMessage, largest: number): Promise<unknown> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > largest) throw new Failure('tooLarge', `this operation takes at most ${largest} octets`)
    chunks.push(chunk)
  }
  if (size === 0) return {}
  try {
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'))
    if (typeof body === 'object' && body !== null && 'input' in body) return body.input
  } catch (cause) {
    throw new Failure('malformed', 'the body is not JSON', { cause })
  }
  throw new Failure('malformed', 'the body is {"input": …}')
}

function send(response: ServerResponse, status: number, body: unknown): void {
  const bytes = Buffer.from(JSON.stringify(body))
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': bytes.length,
    connection: 'close',
  })
  response.end(bytes)
}
