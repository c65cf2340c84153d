import { setTimeout as pause } from 'node:timers/promises'
import { Failure } from '../../core/failure.ts'
import type { Cli } from '../cli.ts'
import * as profiles from '../operations/profile.ts'
import * as requests from '../operations/request.ts'
import type { ShownRequest } from '../requestText.ts'
import type { Remote } from '../session.ts'
import { visible } from '../visible.ts'

/** What people who wait for others end with: nothing failed, and nothing is there yet (docs/operate/cli.md). */
export const WAITS = 7

/** Throws Failure('unsupported') on a data folder: orders go by the REST, as everybody's. */
export function requireRemote({ remote }: Cli): Remote {
  if (remote) return remote
  throw new Failure(
    'unsupported',
    'an order goes to a server: countersign login URL, or COUNTERSIGN_URL and COUNTERSIGN_TOKEN; beside a data folder say which, by --server NAME',
  )
}

/** Where an order goes: the profile that is named, else the one below the authority that serves REST, else `default`. Throws Failure. */
export async function placeOf(cli: Cli, named: { profile?: string | undefined; authority?: string | undefined }) {
  const all = await cli.call(profiles.list, {})
  const fitting = all.filter(
    ({ name, authority, enabled, protocols }) =>
      enabled &&
      Object.hasOwn(protocols, 'ra') &&
      (named.profile ?? name) === name &&
      (named.authority ?? authority) === authority,
  )
  const [one, another] = fitting.length > 1 ? fitting.filter(({ name }) => name === 'default') : fitting
  if (one && !another) return { profile: one.name, authority: one.authority }
  const names = fitting.map(({ name }) => name).join(', ')
  if (names !== '') throw new Failure('conflict', `several profiles take orders: ${names}; name one with --profile`)
  throw new Failure('notFound', `no such profile takes orders over REST (protocols.ra): countersign profile ls`)
}

/** Its attributes as the contract has them. */
export function attributesOf(given: {
  validDays?: number | undefined
  attributes?: readonly string[] | undefined
  /** What is known of their types: text that looks like a number stays text. */
  questions?: readonly { name: string; contentType?: string }[]
}) {
  const types = new Map(given.questions?.map(({ name, contentType }) => [name, contentType]))
  const days = given.validDays === undefined ? [] : [attribute('validity', [given.validDays])]
  const more = new Map<string, unknown[]>()
  for (const text of given.attributes ?? []) {
    const [, name, value] = /^([^=]+)=([\s\S]*)$/.exec(text) ?? []
    if (name === undefined || value === undefined)
      throw new Failure('malformed', `${text}: an attribute is written NAME=VALUE`)
    more.set(name, [...(more.get(name) ?? []), asValue(value, types.get(name))])
  }
  return [...days, ...[...more].map(([name, values]) => attribute(name, values))]
}

const attribute = (name: string, values: readonly unknown[]) => ({ name, content: values.map((data) => ({ data })) })

/** Whole numbers and true and false as such, where nothing else is asked for; everything else is text. */
function asValue(text: string, type?: string): unknown {
  if (type === 'secret') return { secret: text }
  if (type === 'float' && /^-?\d{1,15}(\.\d{1,15})?$/.test(text)) return Number(text)
  if (type !== undefined && type !== 'integer' && type !== 'boolean') return text
  if (text === 'true' || text === 'false') return text === 'true'
  return /^(0|-?[1-9]\d{0,14})$/.test(text) ? Number(text) : text
}

/** The request, when it has ended or `within` seconds have passed; who waits at a terminal sees that. */
export async function waitFor(cli: Cli, uuid: string, within: number): Promise<ShownRequest> {
  const until = Date.now() + within * 1000
  let told = ''
  for (let wait = 500; ; wait = Math.min(wait * 1.5, 15_000)) {
    const shown = await cli.call(requests.show, { ref: uuid })
    if (!['requested', 'signing', 'draft'].includes(shown.status) || Date.now() >= until) return shown
    const words = waitsFor(shown)
    if (words !== told) cli.note(words)
    told = words
    await pause(Math.min(wait, Math.max(0, until - Date.now())))
  }
}

export function waitsFor({ id, status, review }: ShownRequest): string {
  if (status !== 'requested') return `csr ${id} is being signed`
  const who = review.mayApprove.join(', ')
  return visible(`csr ${id} waits for approval${who === '' ? '' : ` by ${who}`}`)
}
