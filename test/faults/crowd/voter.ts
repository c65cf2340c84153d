import { setTimeout as delay } from 'node:timers/promises'
import { type Client, type Crowd, expectOne, speaker } from './crowd.ts'
import type { Answered } from './line.ts'
import { PASSWORD } from './world.ts'

/** A person at the console, whose session outlives the server: approves what waits, by the form of its page. */
export function consoleVoter(crowd: Crowd): Client {
  const { world, line, ledger } = crowd
  const list = speaker(crowd, '/alpacon/api/cert', `token="${world.approver}"`)
  const base = world.server.baseUrl
  let cookie = ''

  async function visit(path: string, form?: Record<string, string>): Promise<Answered> {
    const headers = { accept: 'text/html', 'sec-fetch-site': 'same-origin', ...(cookie === '' ? {} : { cookie }) }
    if (!form) return line.insist(`${base}${path}`, { headers })
    const type = { origin: base, 'content-type': 'application/x-www-form-urlencoded' }
    const body = new URLSearchParams(form).toString()
    return line.insist(`${base}${path}`, { method: 'POST', headers: { ...headers, ...type }, body })
  }
  const field = ({ text }: Answered, name: string) => new RegExp(`name="${name}" value="([^"]+)"`).exec(text)?.[1] ?? ''

  async function signIn(): Promise<void> {
    const page = await visit('/console/login')
    cookie = cookieOf(page)
    const form = { csrf: field(page, 'csrf'), username: 'approver', password: PASSWORD }
    const answered = await visit('/console/login', form)
    if (answered.status !== 303) throw new Error(`signing in was answered with ${answered.status}: ${answered.text}`)
    cookie = cookieOf(answered)
  }

  return async () => {
    if (!cookie.includes('session-id')) await signIn()
    const shown = await list('GET', '/sign-requests/?page=1&page_size=50&status=requested')
    if (!expectOne(crowd, 'a list', shown, 200)) return
    for (const { id } of JSON.parse(shown.text).results as { id: string }[]) {
      const at = `/console/requests/sign/${id}`
      const page = await visit(at)
      if (!expectOne(crowd, 'the page of a request', page, 200)) return
      const hash = field(page, 'hash')
      if (hash === '') continue
      const voted = await visit(`${at}/vote`, { csrf: field(page, 'csrf'), hash, verdict: 'approve' })
      // 409: the vote was counted whose answer was cut off.
      if (expectOne(crowd, 'a vote', voted, 303, 409) && voted.status === 303) ledger.votes.add(id)
    }
    await delay(100)
  }
}

function cookieOf({ headers }: Answered): string {
  const lines = (headers.get('set-cookie') ?? '').split(/,(?=\s*[^;,]+=)/)
  return lines
    .map((line) => line.split(';')[0]?.trim() ?? '')
    .filter((pair) => !pair.endsWith('='))
    .join('; ')
}
