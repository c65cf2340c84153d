import type { IncomingMessage } from 'node:http'
import type { Child } from 'hono/jsx'
import type { UserView } from '../core/admin.ts'
import type { Door } from '../core/core.ts'
import type { Failure } from '../core/failure.ts'
import type { Requester } from '../core/requester.ts'
import type { Host } from '../protocol.ts'
import type { Form } from './form.ts'

/** Which entry of the navigation a page belongs to. */
export type Section =
  | 'overview'
  | 'requests'
  | 'orders'
  | 'certificates'
  | 'alerts'
  | 'authorities'
  | 'profiles'
  | 'enrolment'
  | 'discovery'
  | 'people'
  | 'webhooks'
  | 'audit'
  | 'account'

/** What anybody's request brings, signed in or not. */
export interface Call {
  host: Host
  incoming: IncomingMessage
  /** Path parameters, decoded. */
  params: Record<string, string>
  /** The query, decoded; of a name that comes twice the first. */
  query: URLSearchParams
  /** What was posted; empty for GET. */
  form: Form
}

/** A request of somebody who has signed in. */
export interface Visit extends Call {
  door: Door
  requester: Requester
  user: UserView
  /** Of the session; every form posts it back (parts/form.tsx puts it there). */
  csrf: string
  /** The session's secret: for what is bound to the session. Never shown. */
  session: string
  /** Path and query that were asked for. */
  here: string
}

/** A page to show in the frame. */
export interface Shown {
  title: string
  section?: Section
  body: Child
  /** 200 where absent. */
  status?: number
  /** Without the limit on the width of lines: for wide tables. */
  wide?: boolean
}

/** What a GET shows to somebody who has signed in. */
export interface Page {
  path: string
  /** What it is for, for the tests that visit every page. */
  method: 'get'
  run(visit: Visit): Promise<Shown | Response>
}

/** What a POST does; it answers with `moveOn` (303), or shows a page (a result that is shown once). */
export interface Action {
  path: string
  method: 'post'
  /** Octets of a body; 256 KiB where absent. */
  limit?: number
  run(visit: Visit): Promise<Shown | Response>
  /** Shows the form again with what was wrong; where absent, a page with the failure. */
  again?(visit: Visit, failure: Failure): Promise<Shown>
}

export type Route = Page | Action

/** Declares a page. `path` is below /console, in Hono's notation. */
export function page(path: string, run: Page['run']): Page {
  return { method: 'get', path, run }
}

/** Declares what a form does. */
export function action(path: string, run: Action['run'], more: Pick<Action, 'limit' | 'again'> = {}): Action {
  return { method: 'post', path, run, ...more }
}
