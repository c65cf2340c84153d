import { gunzipSync } from 'node:zlib'
import { type DefaultTreeAdapterTypes, parse } from 'parse5'
import { expect } from 'vitest'
import { webConsole } from '../../src/console/index.ts'
import { csrfToken } from '../../src/console/sealed.ts'
import { openSession } from '../../src/core/login/session.ts'
import type { Database } from '../../src/db/open.ts'
import { callAdapter, useApp } from './adapterApp.ts'
import { createRaApp, type Person, type RaApp } from './raApp.ts'

/** The console over a whole core, without listeners. Every page is parsed, and has no error in its HTML, no inline script and no inline style. */
export interface ConsoleApp extends Omit<RaApp, 'call'> {
  /** REST on the same core, for what a test prepares. */
  call: RaApp['call']
  get(path: string, sent?: Asked): Promise<Answered>
  /** A form with the session's token, from a page of the console. A list gives a name several values. */
  post(path: string, fields?: Record<string, string | readonly string[] | Blob>, sent?: Asked): Promise<Answered>
  /** The session's cookie and form token of a person; opened once. */
  session(person: Person): Promise<{ secret: string; csrf: string }>
}

export interface Asked {
  /** Null: nobody. Absent: the superuser. */
  by?: Person | null
  headers?: Record<string, string>
  /** Where it redirects to is fetched, as a browser does; what is answered is that. */
  follow?: boolean
}

export interface Answered {
  status: number
  headers: Headers
  /** The bytes, decompressed, as UTF-8 text. */
  html: string
  body: Buffer
  /** Octets on their way: fewer where the body was compressed. */
  sent: number
  /** What a reader sees: without tags, blanks folded. */
  text: string
  location: string | null
}

const origin = 'https://ra.test'

export async function createConsoleApp(db: Database): Promise<ConsoleApp> {
  const ra = await createRaApp(db)
  const routes = webConsole.routes(ra.host)
  const sessions = new Map<string, { secret: string; csrf: string }>()
  const session: ConsoleApp['session'] = async (person) => {
    const known = sessions.get(person.uuid)
    if (known) return known
    const { secret } = await openSession(ra.world.it, person, { method: 'password', place: { source: '192.0.2.7' } })
    const made = { secret, csrf: csrfToken(ra.host.secret, secret) }
    sessions.set(person.uuid, made)
    return made
  }
  const send = async (method: string, path: string, body: FormData | undefined, asked: Asked): Promise<Answered> => {
    const { by = ra.admin, headers = {}, follow } = asked
    const request = body === undefined ? undefined : new Request(origin, { method: 'POST', body: encoded(body) })
    const cookie = by === null ? undefined : `__Host-session-id=${(await session(by)).secret}`
    const given = {
      ...(cookie === undefined ? {} : { cookie }),
      ...(request ? { origin, 'content-type': request.headers.get('content-type') ?? '' } : {}),
    }
    const all: Record<string, string> = { ...given, ...headers }
    if (headers.cookie !== undefined && cookie !== undefined) all.cookie = `${cookie}; ${headers.cookie}`
    const sent = request && Buffer.from(await request.arrayBuffer())
    const response = await callAdapter(routes, origin, { method, target: path, headers: all, body: sent })
    const answered = await read(response)
    const { location } = answered
    if (!follow || location === null) return answered
    const told = response.headers.getSetCookie().find((line) => line.startsWith('console-told='))
    return send('GET', location, undefined, {
      by,
      ...(told === undefined ? {} : { headers: { cookie: told.split(';')[0] ?? '' } }),
    })
  }
  return {
    ...ra,
    session,
    get: (path, asked = {}) => send('GET', path, undefined, asked),
    async post(path, fields = {}, asked = {}) {
      const { by = ra.admin } = asked
      const csrf = by === null ? '' : (await session(by)).csrf
      const form = new FormData()
      for (const [name, value] of Object.entries({ csrf, ...fields }))
        for (const one of Array.isArray(value) ? value : [value]) form.append(name, one as string)
      return send('POST', path, form, asked)
    },
  }
}

/** As a browser posts it: files as multipart. */
function encoded(form: FormData): FormData | URLSearchParams {
  const entries = [...form]
  const texts = entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string')
  return texts.length < entries.length ? form : new URLSearchParams(texts)
}

async function read(response: Response): Promise<Answered> {
  const sent = Buffer.from(await response.arrayBuffer())
  const body = response.headers.get('content-encoding') === 'gzip' ? gunzipSync(sent) : sent
  const html = body.toString()
  const isHtml = response.headers.get('content-type')?.startsWith('text/html') ?? false
  const { status, headers } = response
  return {
    status,
    headers,
    sent: sent.length,
    body,
    html,
    text: isHtml ? textOf(html) : '',
    location: headers.get('location'),
  }
}

/** Parses a page as a browser does, and fails where a browser would have to guess. */
function textOf(html: string): string {
  const faults: string[] = []
  const document = parse(html, {
    sourceCodeLocationInfo: true,
    onParseError: ({ code, startLine, startCol }) => faults.push(`${code} at ${startLine}:${startCol}`),
  })
  const words: string[] = []
  const ids: string[] = []
  const walk = (node: DefaultTreeAdapterTypes.Node) => {
    if (node.nodeName === '#text' && 'value' in node) words.push(node.value)
    // A place where a long word may break is no end of it.
    if (node.nodeName === 'wbr') words.push('\u2060')
    if ('attrs' in node) {
      for (const { name, value } of node.attrs) {
        if (name.startsWith('on') || name === 'style') faults.push(`${name} of ${node.nodeName}`)
        if (name === 'id') ids.push(value)
        if (['href', 'action', 'src'].includes(name) && /^\s*(?:javascript|data|vbscript):/i.test(value))
          faults.push(`${name} of ${node.nodeName} is ${value}`)
      }
      if (['script', 'style'].includes(node.nodeName) && 'childNodes' in node && node.childNodes.length > 0)
        faults.push(`${node.nodeName} in the page`)
    }
    if ('childNodes' in node) for (const child of node.childNodes) walk(child)
  }
  walk(document)
  if (ids.length !== new Set(ids).size) faults.push(`ids twice on one page: ${ids}`)
  // Once a page: an assertion costs more than parsing does.
  if (faults.length > 0) expect(faults, html).toEqual([])
  return words.join(' ').replaceAll(' \u2060 ', '').replace(/\s+/g, ' ').trim()
}

/** One app for all tests of a file. */
export const useConsoleApp = () => useApp(createConsoleApp)
