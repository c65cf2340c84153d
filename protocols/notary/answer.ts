import type { Refusal } from './errors.ts'
import type { Reply } from './operation.ts'

const common = { 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' }

/** What was asked for, for the clients of all three generations: the older two read `result`, the newest one `data` and `message`. */
export function answer(status: number, { data, id, note, headers = {}, raw }: Reply): Response {
  if (raw) return new Response(raw.content, { status, headers: { ...common, 'Content-Type': raw.type, ...headers } })
  if (data !== undefined) return json(status, { result: data, data }, headers)
  const made = id === undefined ? {} : { id }
  return json(status, { result: { message: 'success', ...made }, data: made, message: note ?? 'success' }, headers)
}

export function refuse({ status, body, headers }: Refusal): Response {
  return json(status, body, headers)
}

function json(status: number, body: unknown, headers: Record<string, string>): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { ...common, 'Content-Type': 'application/json', ...headers },
  })
}
