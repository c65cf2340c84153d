import { readCookie } from '../http/cookie.ts'
import type { Visit } from './page.ts'
import { seal, unseal } from './sealed.ts'

const COOKIE = 'console-told'

/** After an action: to a page of the console (303), which then tells what was done. */
export function moveOn({ host, session }: Visit, to: string, told?: string): Response {
  const response = new Response(null, { status: 303, headers: { Location: to } })
  // Sealed: an address or a cookie from elsewhere makes this console say nothing.
  if (told !== undefined)
    response.headers.append('Set-Cookie', cookie(seal(host.secret, `told ${session}`, told.slice(0, 500)), 60))
  return response
}

/** What the action before this page told, and the Set-Cookie that has it told once. */
export function readTold({ host, incoming, session }: Visit): { told?: string; forget?: string } {
  const sealed = readCookie(incoming, COOKIE)
  if (sealed === undefined) return {}
  const told = unseal(host.secret, `told ${session}`, sealed)
  return { forget: cookie('', 0), ...(told === undefined ? {} : { told }) }
}

function cookie(value: string, seconds: number): string {
  return `${COOKIE}=${value}; Path=/console; Max-Age=${seconds}; Secure; HttpOnly; SameSite=Lax`
}
