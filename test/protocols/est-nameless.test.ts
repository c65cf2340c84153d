import { describe, expect, it } from 'vitest'
import { useEstApp } from '../helpers/estApp.ts'
import { device } from '../helpers/scepClient.ts'

describe('EST: a client without User-Agent reads the bodies of certificates and refusals alone', () => {
  const est = useEstApp()
  const wishes = { by: device('pump.example.org', 'P-256'), subject: { CN: 'pump.example.org' } }

  it('401 has no body where it only asks for a password: Bouncy Castle closes it unread, and fails', async () => {
    const answer = await est.app.enroll({ ...wishes, userAgent: null })
    expect(answer).toMatchObject({ status: 401, text: '' })
    expect(answer.headers).toMatchObject({
      'www-authenticate': 'Basic realm="countersign"',
      'content-length': '0',
    })
  })

  it('202 has no body either', async () => {
    const waiting = { ...wishes, basic: `x:${await est.app.challenge({ profile: 'default' })}` }
    const answer = await est.app.enroll({ ...waiting, userAgent: null })
    expect(answer).toMatchObject({ status: 202, text: '', headers: { 'content-length': '0', 'retry-after': '300' } })
    expect(await est.app.enroll(waiting)).toMatchObject({ status: 202, text: expect.stringMatching(/approval/) })
  })

  it.each([
    { who: 'who names himself', userAgent: 'curl/7.88.1' },
    { who: 'who showed a wrong password', userAgent: null, basic: 'maker:wrong' },
  ])('401 says why to a client $who', async ({ userAgent, basic }) => {
    const answer = await est.app.enroll({ ...wishes, userAgent, ...(basic === undefined ? {} : { basic }) })
    expect(answer).toMatchObject({ status: 401, text: expect.stringMatching(/password/) })
  })
})
