import { Failure, type FailureCode } from '../../core/failure.ts'
import { callHttps, type HttpsAnswer, type HttpsCall, type Server } from './httpsCall.ts'

/** A call of the REST: below /api of the server. Answers the JSON of its body, undefined without one. Throws what the server refuses as Failure. */
export async function callRest<T>(server: Server, call: HttpsCall): Promise<T> {
  const answer = await callHttps(server, { ...call, path: `/api${call.path}` })
  if (answer.status < 200 || answer.status > 299) throw refusalOf(answer)
  return (answer.text === '' ? undefined : jsonOf(answer)) as T
}

const codes: Record<number, FailureCode> = {
  400: 'malformed',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'notFound',
  409: 'conflict',
  413: 'tooLarge',
  415: 'unsupportedMediaType',
  422: 'malformed',
  429: 'rateLimited',
  503: 'unavailable',
}

function refusalOf(answer: HttpsAnswer): Failure {
  const body = answer.text === '' ? undefined : jsonOf(answer)
  return new Failure(codes[answer.status] ?? 'internal', wordsOf(body) ?? usual(answer.status))
}

function wordsOf(body: unknown): string | undefined {
  if (Array.isArray(body)) return body.map(String).join('; ')
  if (typeof body === 'object' && body !== null && 'message' in body) return String(body.message)
  return undefined
}

function usual(status: number): string {
  if (status === 401) return 'the server does not know you: your token has ended; countersign login makes a new one'
  return `the server answered ${status}`
}

export function jsonOf({ status, text }: HttpsAnswer): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new Failure('unavailable', `what answers is no countersign server (status ${status}, no JSON)`, { cause })
  }
}
