import type { Operation } from '../../protocols/ra/operation.ts'
import type { Called } from '../helpers/raApp.ts'
import { smallestBody } from './body.ts'
import { type Role, roleNames } from './role.ts'
import type { Outcome, Row, Sample } from './row.ts'
import type { Scene } from './scene.ts'

/** A call as it went out. */
interface Call {
  path: string
  body?: string
  headers: Record<string, string>
}

export interface Cell {
  got: Outcome | `${number}`
  called: Called
  sent: Call
}

/** Has every role make one call, each on an object that nobody has used up. */
export async function tryRow(scene: Scene, operation: Operation, row: Row): Promise<Record<Role, Cell>> {
  const cells: Partial<Record<Role, Cell>> = {}
  let sample: Sample | undefined
  for (const role of roleNames) {
    sample ??= (await row.sample?.(scene)) ?? {}
    const cell = await tryCell(scene, operation, row, { role, sample })
    cells[role] = cell
    if (role === 'admin')
      for (const [one] of `${cell.sent.path} ${cell.called.text}`.matchAll(UUID)) scene.ours.add(one)
    if (cell.called.status < 400 && operation.method !== 'get') sample = undefined
  }
  return cells as Record<Role, Cell>
}

async function tryCell(
  scene: Scene,
  operation: Operation,
  row: Row,
  { role, sample }: { role: Role; sample: Sample },
): Promise<Cell> {
  const sent = callOf(scene, operation, sample)
  const called = await send(scene, operation, role, sent)
  return { got: outcomeOf(called, row, sample), called, sent }
}

function callOf({ open }: Scene, operation: Operation, sample: Sample): Call {
  const named: Record<string, string> = { authorityUuid: open.authority, raProfileUuid: open.profile, ...sample.params }
  const bare = operation.path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = named[name]
    if (value === undefined) throw new Error(`the sample of ${keyOf(operation)} names no ${name}`)
    return encodeURIComponent(value)
  })
  const given = smallestBody(operation, sample.body)
  const body = sample.raw ?? (given === undefined ? undefined : JSON.stringify(given))
  const headers = sample.headers ?? {}
  return { path: `${bare}${sample.query ?? ''}`, headers, ...(body === undefined ? {} : { body }) }
}

function send({ app, callers }: Scene, { method }: Operation, role: Role, { path, body, headers }: Call) {
  return app.call(method, path, { by: callers[role], headers, ...(body === undefined ? {} : { raw: body }) })
}

function outcomeOf({ status, text }: Called, { answers }: Row, { shows }: Sample): Cell['got'] {
  if (status >= 400 && status !== answers) return `${status}`
  return shows === undefined || text.includes(shows) ? 'yes' : 'empty'
}

export function keyOf({ method, path }: Operation): string {
  return `${method.toUpperCase()} ${path}`
}

/** Of records; what is derived from a word is the same everywhere. */
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g
const OURS = /inner-[\w-]+/g

/**
 * What a stranger learns from an answer: names and numbers of the first organization that he had not sent himself, or that
 * what he was refused exists. Undefined: nothing.
 */
export async function unknownTo(scene: Scene, operation: Operation, cell: Cell): Promise<string | undefined> {
  const { called, sent } = cell
  const said = `${sent.path} ${sent.body ?? ''}`
  const told = (called.text.match(OURS) ?? []).find((one) => !said.includes(one))
  if (told !== undefined) return `is told of ${told}: ${called.text}`
  const number = (called.text.match(UUID) ?? []).find((one) => scene.ours.has(one) && !said.includes(one))
  if (number !== undefined) return `is told of ${number}: ${called.text}`
  if (called.status !== 404) return undefined
  const nothing = await send(scene, operation, 'stranger', absentFrom(sent))
  const same = nothing.status === called.status && masked(nothing.text) === masked(called.text)
  return same
    ? undefined
    : `tells ${called.text} from ${nothing.status} ${nothing.text}, which is for what is not there`
}

/** The same call about what nobody has. */
function absentFrom({ path, body, headers }: Call): Call {
  const other = (text: string) =>
    text
      .replace(UUID, '01890000-0000-7000-8000-000000000000')
      .replace(OURS, 'inner-absent')
      .replace(/"default"/g, '"absent"')
      .replace(/: default$/gm, ': absent')
      .replace(/\/issuing(?=\/|$)/, '/absent')
      .replace(/=default$/, '=absent')
      .replace(/\/\d+(?=\/|$)/, '/99999999')
  return { path: other(path), headers, ...(body === undefined ? {} : { body: other(body) }) }
}

/** Without what the caller has sent. */
function masked(text: string): string {
  return text
    .replace(UUID, '*')
    .replace(OURS, '*')
    .replace(/\b(default|absent|issuing|\d+)\b/g, '*')
}
