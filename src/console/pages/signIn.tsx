/** @jsxImportSource hono/jsx */
import { Failure } from '../../core/failure.ts'
import type { OpenedSession } from '../../core/login/session.ts'
import { readCookie, requireOwnPage } from '../../http/cookie.ts'
import { loginPlace, noSessionCookie, SESSION_COOKIE, sessionCookie } from '../../http/session.ts'
import type { Host } from '../../protocol.ts'
import { type ConsoleApp, type ConsoleContext, callOf } from '../context.ts'
import { sentence } from '../failurePage.tsx'
import { readForm } from '../form.ts'
import { aloneFrame } from '../frame.tsx'
import type { Call } from '../page.ts'
import { Field, Trouble } from '../parts/form.tsx'
import { Head } from '../parts/panel.tsx'
import { isCsrfToken } from '../sealed.ts'

/** What is open to whoever has not signed in. */
export function openRoutes(app: ConsoleApp, host: Host): void {
  const { get, post } = routes(app, host)
  get('/login', async (c, call) => c.html(aloneFrame(loginPage(host, call, {}))))
  post('/login', login)
  get('/setup', async (c) => c.html(aloneFrame(setupPage({}))))
  post('/setup', setup)
  post('/logout', logout)
}

type Handler = (c: ConsoleContext, call: Call) => Promise<Response>

function routes(app: ConsoleApp, host: Host) {
  const get = (path: string, handle: Handler) => app.get(`/console${path}`, (c) => handle(c, callOf(host, c)))
  const post = (path: string, handle: Handler) =>
    app.post(`/console${path}`, async (c) => {
      const { incoming } = c.env
      requireOwnPage(host, incoming, { orProgram: false })
      return handle(c, { ...callOf(host, c), form: await readForm(incoming, 16_384) })
    })
  return { get, post }
}

async function login(c: ConsoleContext, call: Call): Promise<Response> {
  const { host, incoming, form } = call
  const username = form.text('username', 200) ?? ''
  try {
    const made = await host.core.authentication.login(username, form.raw('password', 1000), loginPlace(host, incoming))
    if (made) return await enter(host, incoming, made, ownPath(form.text('next')))
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'rateLimited') throw error
    if (error.retryAfter !== undefined) c.header('Retry-After', String(error.retryAfter))
    return c.html(aloneFrame(loginPage(host, call, { username, trouble: sentence(error.detail) })), 429)
  }
  const trouble = 'The name or the password is wrong.'
  return c.html(aloneFrame(loginPage(host, call, { username, trouble })), 401)
}

/** The browser's earlier session ends, whoever's it was: nobody goes on in one that he did not open. */
async function enter(host: Host, incoming: Call['incoming'], made: OpenedSession, to: string): Promise<Response> {
  const earlier = readCookie(incoming, SESSION_COOKIE)
  if (earlier !== undefined) await host.core.authentication.logout(earlier)
  return new Response(null, { status: 303, headers: { Location: to, 'Set-Cookie': sessionCookie(host, made) } })
}

async function setup(c: ConsoleContext, { host, incoming, form }: Call): Promise<Response> {
  // Where nothing takes the secret out of the address by itself, the whole of it is pasted.
  const [link, password] = [form.text('link', 1000)?.replace(/^.*#/, '') ?? '', form.raw('password', 1000)]
  const place = loginPlace(host, incoming)
  try {
    if (password !== form.raw('again', 1000)) throw new Failure('malformed', 'the two passwords differ')
    const { authentication } = host.core
    const name = await authentication.usePasswordLink(link, password, place)
    const made = await authentication.login(name, password, place)
    if (!made) throw new Failure('unauthenticated', 'the user is disabled')
    return await enter(host, incoming, made, '/console')
  } catch (error) {
    if (!(error instanceof Failure) || error.code === 'internal') throw error
    const status = error.code === 'rateLimited' ? 429 : error.code === 'malformed' ? 422 : 401
    return c.html(aloneFrame(setupPage({ link, trouble: sentence(error.detail) })), status)
  }
}

async function logout(_c: ConsoleContext, { host, incoming, form }: Call): Promise<Response> {
  const session = readCookie(incoming, SESSION_COOKIE)
  if (session !== undefined && isCsrfToken(host.secret, session, form.raw('csrf', 100)))
    await host.core.authentication.logout(session)
  const headers = { Location: '/console/login', 'Set-Cookie': noSessionCookie(), 'Clear-Site-Data': '"cache"' }
  return new Response(null, { status: 303, headers })
}

/** A path of the console to go on to; the overview for anything else: no address of others gets in here. */
export function ownPath(given: string | undefined): string {
  return given !== undefined && /^\/console(?:[/?][\w\-./?=&%~:,+]*)?$/.test(given) ? given : '/console'
}

function loginPage(host: Host, { query, form }: Call, { username, trouble }: { username?: string; trouble?: string }) {
  const next = ownPath(form.text('next') ?? query.get('next') ?? undefined)
  const body = (
    <>
      <Head title="Sign in" />
      {trouble && <Trouble detail={trouble} />}
      <form method="post" action="/console/login" class="form">
        <input type="hidden" name="next" value={next} />
        <Field name="username" label="Name" value={username} required autocomplete="username" autofocus />
        <Field name="password" label="Password" type="password" required autocomplete="current-password" />
        <button type="submit" class="primary">
          Sign in
        </button>
      </form>
      {host.core.authentication.oidc && (
        <p class="or">
          <a class="button" href={`/api/v1/countersign/sessions/oidc?returnTo=${encodeURIComponent(next)}`}>
            Sign in with your organization’s account
          </a>
        </p>
      )}
      <p class="quiet">
        First time here? <a href="/console/setup">Set your password with a setup link</a>.
      </p>
    </>
  )
  return { title: 'Sign in', body }
}

function setupPage({ link, trouble }: { link?: string; trouble?: string }) {
  const body = (
    <>
      <Head
        title="Set your password"
        about="The setup link was printed at the first start, or an administrator gave it to you. It works once."
      />
      {trouble && <Trouble detail={trouble} />}
      <form method="post" action="/console/setup" class="form">
        <Field name="link" label="Setup link" value={link} required code autocomplete="off" />
        <Field
          name="password"
          label="New password"
          type="password"
          required
          autocomplete="new-password"
          hint="At least 12 characters. Length helps more than signs."
        />
        <Field name="again" label="The same again" type="password" required autocomplete="new-password" />
        <button type="submit" class="primary">
          Set password and sign in
        </button>
      </form>
    </>
  )
  return { title: 'Set your password', body }
}
