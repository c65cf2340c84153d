import { request } from 'node:http'
import { Failure } from '../core/failure.ts'
import type { Credentials } from './requester.ts'
import { shortPath } from './socketPath.ts'
import { fromWire } from './wireFailure.ts'

export interface SocketCall {
  path: string
  operation: string
  input: unknown
  credentials: Credentials
}

/**
 * Runs an operation in the server that listens on the socket. Undefined when none does: there is no file, or one that a crash left.
 * Throws what the operation threw; Failure('forbidden') when the socket is somebody else's.
 */
export function callSocket({
  path,
  operation,
  input,
  credentials,
}: SocketCall): Promise<{ output: unknown } | undefined> {
  const body = Buffer.from(JSON.stringify({ input: input ?? {} }))
  const headers = { 'content-type': 'application/json', 'content-length': body.length, ...authorization(credentials) }
  return new Promise((resolve, reject) => {
    const asked = request(
      { socketPath: shortPath(path), path: `/operations/${operation}`, method: 'POST', headers },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', (cause) =>
          reject(new Failure('unavailable', 'the server closed the connection', { cause })),
        )
        response.on('end', () => {
          try {
            resolve(answerOf(response.statusCode ?? 0, Buffer.concat(chunks).toString('utf8')))
          } catch (error) {
            reject(error)
          }
        })
      },
    )
    asked.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED' || error.code === 'ENOTDIR') resolve(undefined)
      else if (error.code === 'EACCES')
        reject(new Failure('forbidden', `${path} belongs to another user: run this as the server's user`))
      else
        reject(
          new Failure('unavailable', `the server does not answer on ${path} (${error.code ?? error.message})`, {
            cause: error,
          }),
        )
    })
    asked.end(body)
  })
}

function authorization(credentials: Credentials): { authorization?: string } {
  if (!credentials) return {}
  if ('token' in credentials) return { authorization: `Bearer ${credentials.token}` }
  return { authorization: `Basic ${Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64')}` }
}

function answerOf(status: number, text: string): { output: unknown } {
  const body = asJson(text)
  if (status === 200 && typeof body === 'object' && body !== null && 'output' in body) return { output: body.output }
  throw fromWire(body)
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
