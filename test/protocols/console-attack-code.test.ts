import { beforeAll, describe, expect, it } from 'vitest'
import { csrfToken } from '../../src/console/sealed.ts'
import { openSession } from '../../src/core/login/session.ts'
import { type ConsoleApp, useConsoleApp } from '../helpers/consoleApp.ts'
import { doorFor, issued } from '../helpers/consoleCertificates.ts'
import { everywhere } from '../helpers/consoleRequests.ts'
import { auto, type Person } from '../helpers/raApp.ts'

const used = useConsoleApp()

beforeAll(() => used.app.save('rest', { rules: everywhere(auto) }))

/** Another browser of the same person. */
async function browserOf({ world, host, post }: ConsoleApp, person: Person) {
  const { secret } = await openSession(world.it, person, { method: 'password', place: { source: '192.0.2.8' } })
  const headers = { cookie: `__Host-session-id=${secret}` }
  const csrf = csrfToken(host.secret, secret)
  return (path: string, fields: Record<string, string> = {}) => post(path, { csrf, ...fields }, { by: null, headers })
}

const codeIn = (html: string) => (/class="six">(\d{3}) (\d{3})</.exec(html) ?? []).slice(1).join('')

describe('the code of six digits', () => {
  it('is of one session, even for the same person', async () => {
    const { app } = used
    const { at, id } = await issued(app, ['session.test'])
    const [here, there] = [await browserOf(app, app.operator), await browserOf(app, app.operator)]
    const code = codeIn((await here(`${at}/revoke/code`)).html)
    expect(code).toMatch(/^\d{6}$/)
    const refused = await there(`${at}/revoke`, { code })
    expect(refused.status).toBe(422)
    expect(refused.text).toContain('There is no code that is still good')
    expect((await doorFor(app, app.operator).findCertificate({ id }))?.status).toBe('issued')
    expect((await here(`${at}/revoke`, { code })).status).toBe(303)
    expect((await doorFor(app, app.operator).findCertificate({ id }))?.status).toBe('revoked')
  })

  it('counts tries that come at once', async () => {
    const { app } = used
    const { at, id } = await issued(app, ['guessed.test'])
    const here = await browserOf(app, app.operator)
    const code = codeIn((await here(`${at}/revoke/code`)).html)
    const wrong = Array.from({ length: 12 }, (_, n) => String((Number(code) + 1 + n) % 1_000_000).padStart(6, '0'))
    const tried = await Promise.all(wrong.map((guess) => here(`${at}/revoke`, { code: guess })))
    expect(tried.filter(({ text }) => /The code is wrong/.test(text))).toHaveLength(3)
    const late = await here(`${at}/revoke`, { code })
    expect([late.status, late.text.includes('ask for a new one')]).toEqual([422, true])
    expect((await doorFor(app, app.operator).findCertificate({ id }))?.status).toBe('issued')
  })
})
