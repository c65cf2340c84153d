import type { IncomingMessage } from 'node:http'
import { Hono } from 'hono'
import { Failure } from '../core/failure.ts'
import { DatabaseUnavailable } from '../db/transaction.ts'
import { readCookie, requireOwnPage } from '../http/cookie.ts'
import { requestId } from '../http/requestId.ts'
import { SESSION_COOKIE } from '../http/session.ts'
import type { Host, NodeBindings } from '../protocol.ts'
import { assets } from './assets.ts'
import { compressPage, takesGzip } from './compress.ts'
import { type ConsoleContext, callOf, type Env } from './context.ts'
import { showFailure } from './failurePage.tsx'
import { readForm } from './form.ts'
import { frame } from './frame.tsx'
import { liveUpdates } from './live.ts'
import type { Route, Shown, Visit } from './page.ts'
import { pages } from './pages/index.ts'
import { openRoutes } from './pages/signIn.tsx'
import { csrfToken, isCsrfToken } from './sealed.ts'
import { readTold } from './told.ts'

const mostOfAForm = 256 * 1024

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

// No Strict-Transport-Security: it holds for every port of a host, and CRLs, OCSP and SCEP are plain HTTP on this one.
const headers: Record<string, string> = {
  'Content-Security-Policy': policy,
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Referrer-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
}

/** The console's routes: whole paths below /console. */
export function consoleRoutes(host: Host): Hono<{ Bindings: NodeBindings }> {
  const app = new Hono<Env>()
  app.use('*', async (c, next) => {
    await next()
    await compressPage(c as ConsoleContext)
    for (const [name, value] of Object.entries(headers)) c.res.headers.set(name, value)
    if (!c.res.headers.has('Cache-Control')) c.res.headers.set('Cache-Control', 'no-store')
  })
  app.onError((error, c) => failed(host, c as ConsoleContext, error))
  app.get('/console/assets/:hash/:name', (c) => asset(c as ConsoleContext))
  openRoutes(app, host)
  app.get(
    '/console/live',
    liveUpdates(host, (incoming) => signedIn(host, incoming, true)),
  )
  for (const route of pages)
    app[route.method](`/console${route.path}`.replace(/\/$/, ''), (c) => run(host, c as ConsoleContext, route))
  app.all('*', async (c) => {
    await visitOf(host, c as ConsoleContext)
    throw new Failure('notFound', 'there is no such page')
  })
  return app as unknown as Hono<{ Bindings: NodeBindings }>
}

async function run(host: Host, c: ConsoleContext, route: Route): Promise<Response> {
  const { incoming } = c.env
  if (incoming.url?.includes('%00'))
    throw new Failure('malformed', 'the address holds the character U+0000, which no text has')
  if (route.method === 'post') requireOwnPage(host, incoming, { orProgram: false })
  const visit = await visitOf(host, c)
  if (route.method === 'get') return answer(c, visit, await route.run(visit))
  visit.form = await readForm(incoming, route.limit ?? mostOfAForm)
  if (!isCsrfToken(host.secret, visit.session, visit.form.raw('csrf', 100)))
    throw new Failure('forbidden', 'this form is from another session: go back, load the page anew and send it again')
  try {
    return answer(c, visit, await route.run(visit))
  } catch (error) {
    if (!(error instanceof Failure) || !route.again || error.code === 'internal') throw error
    return answer(c, visit, { status: 422, ...(await route.again(visit, error)) })
  }
}

/** `unasked`: the page looks by itself. A session that nobody uses ends all the same. */
async function signedIn(host: Host, incoming: IncomingMessage, unasked: boolean) {
  const session = readCookie(incoming, SESSION_COOKIE)
  const known = session === undefined ? undefined : await host.core.authentication.session(session, { unasked })
  if (session === undefined || !known) return undefined
  const source = host.sourceAddress(incoming)
  return { session, requester: source === undefined ? known : { ...known, source } }
}

/** Whoever has signed in. Kept for the request: also what shows a failure asks. Throws Failure('unauthenticated'). */
async function visitOf(host: Host, c: ConsoleContext): Promise<Visit> {
  // What live updates ask for anew says so (assets/console.js).
  const known = await signedIn(host, c.env.incoming, c.env.incoming.headers['hx-request'] !== undefined)
  if (!known) throw new Failure('unauthenticated', 'sign in to see this')
  const door = host.core.as(known.requester)
  const visit: Visit = {
    ...callOf(host, c),
    ...known,
    door,
    user: await door.identities.me(),
    csrf: csrfToken(host.secret, known.session),
    here: c.env.incoming.url ?? '/console',
  }
  c.set('visit', visit)
  return visit
}

function answer(c: ConsoleContext, visit: Visit, made: Shown | Response): Response {
  if (made instanceof Response) return made
  const { told, forget } = readTold(visit)
  if (forget !== undefined) c.header('Set-Cookie', forget)
  return c.html(frame(visit, made, told), (made.status ?? 200) as 200)
}

function asset(c: ConsoleContext): Response {
  const { hash, name } = c.req.param() as { hash: string; name: string }
  const found = Object.values(assets()).find(({ url }) => url === `/console/assets/${hash}/${name}`)
  if (!found) return c.text('there is no such file', 404)
  const compressed = takesGzip(c.env.incoming.headers['accept-encoding'])
  return c.body(new Uint8Array(compressed ? found.gzip : found.body), 200, {
    'Content-Type': found.type,
    'Cache-Control': 'public, max-age=31536000, immutable',
    Vary: 'Accept-Encoding',
    ...(compressed ? { 'Content-Encoding': 'gzip' } : {}),
  })
}

function asFailure(error: unknown, incoming: IncomingMessage): Failure {
  if (error instanceof Failure) return error
  if (error instanceof DatabaseUnavailable)
    return new Failure(
      'unavailable',
      'the database does not answer, so nobody knows whether what was sent was done: look before you send it again',
      { cause: error, retryAfter: 5 },
    )
  return new Failure('internal', `its log has it as ${requestId(incoming)}`)
}

function failed(host: Host, c: ConsoleContext, error: unknown): Response {
  const { incoming } = c.env
  const failure = asFailure(error, incoming)
  if (failure.code === 'internal') host.log.error({ err: error, request: requestId(incoming) }, 'a page failed')
  // What is not asked for by a person stays where it is: the sign-in page is no part of a list.
  const unasked = incoming.headers['hx-request'] !== undefined
  if (failure.code === 'unauthenticated' && incoming.method === 'GET' && !unasked) {
    const next = encodeURIComponent(incoming.url ?? '/console')
    return c.redirect(`/console/login?next=${next}`, 303)
  }
  return showFailure(c, failure)
}
