import { describe, expect, it } from 'vitest'
import { useEstApp } from '../helpers/estApp.ts'
import { device } from '../helpers/scepClient.ts'

describe('EST: 401', () => {
  const est = useEstApp()
  const wishes = { by: device('pump.example.org', 'P-256'), subject: { CN: 'pump.example.org' } }

  it('has no body where it only asks a client without User-Agent for a password: Bouncy Castle closes unread, and fails', async () => {
    const answer = await est.app.enroll({ ...wishes, userAgent: null })
    expect(answer).toMatchObject({ status: 401, text: '' })
    expect(answer.headers).toMatchObject({
      'www-authenticate': 'Basic realm="countersign"',
      'content-length': '0',
    })
  })

  it.each([
    { who: 'who names himself', userAgent: 'curl/7.88.1' },
    { who: 'who showed a wrong password', userAgent: null, basic: 'maker:wrong' },
  ])('says why to a client $who', async ({ userAgent, basic }) => {
    const answer = await est.app.enroll({ ...wishes, userAgent, ...(basic === undefined ? {} : { basic }) })
    expect(answer).toMatchObject({ status: 401, text: expect.stringMatching(/password/) })
  })
})
