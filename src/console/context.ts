import type { Context, Hono } from 'hono'
import type { Host, NodeBindings } from '../protocol.ts'
import { Form } from './form.ts'
import type { Call, Visit } from './page.ts'

export type Env = { Bindings: NodeBindings; Variables: { visit: Visit } }
export type ConsoleContext = Context<Env>
export type ConsoleApp = Hono<Env>

/** A request as pages see it, before it is known whose it is. */
export function callOf(host: Host, c: ConsoleContext): Call {
  const { incoming } = c.env
  const query = new URL(incoming.url ?? '/', 'https://localhost').searchParams
  return { host, incoming, params: c.req.param(), query, form: new Form() }
}
