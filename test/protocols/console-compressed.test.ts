import { describe, expect, it } from 'vitest'
import { useConsoleApp } from '../helpers/consoleApp.ts'

const world = useConsoleApp()
const gzip = { 'accept-encoding': 'gzip, deflate, br' }

function tokenOf(html: string): string {
  const [, token = ''] = /name="csrf" value="([^"]+)"/.exec(html) ?? []
  return token
}

describe('a page', () => {
  it.each(['none', 'same-origin'])('is compressed for who asks himself: Sec-Fetch-Site %s', async (site) => {
    const plain = await world.app.get('/console/profiles')
    const { headers, html, sent } = await world.app.get('/console/profiles', {
      headers: { ...gzip, 'sec-fetch-site': site },
    })
    expect(headers.get('content-encoding')).toBe('gzip')
    expect(headers.get('vary')).toBe('Accept-Encoding, Sec-Fetch-Site')
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(sent).toBeLessThan(plain.sent / 2)
    expect(html.replaceAll(tokenOf(html), '')).toBe(plain.html.replaceAll(tokenOf(plain.html), ''))
  })

  it.each([
    ['another site asks for it', { ...gzip, 'sec-fetch-site': 'cross-site' }],
    ['a site beside it asks for it', { ...gzip, 'sec-fetch-site': 'same-site' }],
    ['nobody says who asks', gzip],
    ['its reader takes none', { 'accept-encoding': 'identity', 'sec-fetch-site': 'none' }],
    ['its reader refuses gzip', { 'accept-encoding': 'gzip;q=0, br', 'sec-fetch-site': 'none' }],
    ['its reader says nothing', { 'sec-fetch-site': 'none' }],
  ])('is sent as it is where %s', async (_where, headers) => {
    const answered = await world.app.get('/console/profiles', { headers })
    expect(answered.status).toBe(200)
    expect(answered.headers.get('content-encoding')).toBeNull()
    expect(answered.sent).toBe(answered.body.length)
    expect(answered.headers.get('vary')).toContain('Accept-Encoding')
  })

  it('that says what is wrong is compressed too', async () => {
    const { status, headers, text } = await world.app.get('/console/nowhere', {
      headers: { ...gzip, 'sec-fetch-site': 'none' },
    })
    expect([status, headers.get('content-encoding')]).toEqual([404, 'gzip'])
    expect(text).toContain('There is nothing here')
  })

  it('that answers a form is not: it may show a secret', async () => {
    const { status, headers, text } = await world.app.post(
      '/console/account/tokens',
      { name: 'shown once', days: '1' },
      { headers: { ...gzip, 'sec-fetch-site': 'same-origin' } },
    )
    expect([status, headers.get('content-encoding')]).toEqual([200, null])
    expect(text).toContain('Your new token')
  })

  it('has a token that is masked anew each time', async () => {
    const tokens = new Set<string>()
    for (let n = 0; n < 3; n++) tokens.add(tokenOf((await world.app.get('/console/account')).html))
    expect(tokens.size).toBe(3)
    for (const csrf of tokens) {
      const { status } = await world.app.post('/console/account/sessions/end', { csrf, which: 'others' })
      expect(status).not.toBe(403)
    }
  })
})
