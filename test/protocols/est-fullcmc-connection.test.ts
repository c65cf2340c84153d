import { describe, expect, test } from 'vitest'
import { keyIdentifier, publicKeyFrom } from '../../src/pki/publicKey.ts'
import { type CmcSigner, identityControls } from '../helpers/cmc.ts'
import { device, sendCmc, sharedSecret, statusOf, tcrFor } from '../helpers/cmcApp.ts'
import type { Party } from '../helpers/cms.ts'
import { useEstApp } from '../helpers/estApp.ts'

const it = useEstApp()
let count = 0
const newName = () => `who${++count}.example`

async function enrolled(profile = 'default'): Promise<Party & { dns: string }> {
  const dns = newName()
  return { ...(await it.app.enrolled(device(), { subject: { CN: dns }, dns: [dns], profile })), dns }
}

/** Signs by the key that a request is for, as RFC 10002 section 3.2 has it. */
const byRequestKey = ({ key }: Party): CmcSigner => ({ key, keyIdentifier: keyIdentifier(publicKeyFrom(key)) })

const badIdentity = { status: 'failed', failInfo: 'badIdentity' }

describe('RFC 7030 section 3.3.2: by the connection, where the message says nothing', () => {
  test('a client certificate in TLS, a message signed by the key of the request, or by nobody', async () => {
    const own = await enrolled()
    for (const signers of [true, false]) {
      const by = device()
      const signed = signers ? { by: [byRequestKey(by)] } : {}
      const answer = await sendCmc(it.app, { requests: [tcrFor(1, by, own.dns)], ...signed, client: own })
      expect(answer.simple).toHaveLength(2)
    }
  })

  test('a challenge by HTTP Basic', async () => {
    const dns = newName()
    const challenge = await it.app.challenge({ dns: [dns] })
    const answer = await sendCmc(it.app, { requests: [tcrFor(1, device(), dns)], basic: `device:${challenge}` })
    expect(answer.simple).toHaveLength(2)
  })

  test('nobody: 401, with an answer of CMC', async () => {
    const by = device()
    const answer = await sendCmc(it.app, { requests: [tcrFor(1, by, newName())], by: [byRequestKey(by)] })
    expect(answer.http.status).toBe(401)
    expect(answer.http.headers['www-authenticate']).toBe('Basic realm="countersign"')
    expect(statusOf(answer)).toMatchObject({ ...badIdentity, bodyParts: [1] })
  })

  test('a wrong channel binding in a request is refused, whoever signed', async () => {
    const own = await enrolled()
    const answer = await sendCmc(it.app, { requests: [tcrFor(1, device(), own.dns, 'AAAAAAAAAAAAAAAA')], by: [own] })
    expect(answer.http.status).toBe(403)
    expect(statusOf(answer)).toMatchObject({ status: 'failed', failInfo: 'badRequest' })
  })

  test('a profile that wants to see a password wants it of whoever sends messages', async () => {
    const entitled = [{ name: 'a challenge', when: 'entitled', auto: true }]
    const rules = { issue: entitled, renew: entitled, rekey: entitled, revoke: entitled, export: [] }
    const settings = { certificate: { type: 'client' } }
    await it.app.save('guarded', { require: 'password' }, { settings, rules })
    const own = await it.app.enrolled(device(), {
      subject: { CN: 'g.example' },
      dns: ['g.example'],
      profile: 'guarded',
    })
    const renewal = { profile: 'guarded', requests: [tcrFor(1, device(), 'g.example')], by: [own] }
    // What stands beside a good signature is looked at too.
    const wrong = await sendCmc(it.app, { ...renewal, basic: 'device:wrong' })
    expect(wrong.http.status).toBe(401)
    expect(statusOf(wrong)).toMatchObject({ ...badIdentity, bodyParts: [1] })
    const challenge = await it.app.challenge({ profile: 'guarded', dns: ['g.example'] })
    expect((await sendCmc(it.app, { ...renewal, basic: `device:${challenge}` })).simple).toHaveLength(2)
    const shared = await sharedSecret(it.app, { profile: 'guarded' })
    const requests = [tcrFor(1, device(), 'g.example')]
    const controls = identityControls([10, 11], shared.name, shared.secret, requests)
    const secret = await sendCmc(it.app, { profile: 'guarded', requests, controls, basic: 'device:wrong' })
    expect(statusOf(secret)).toMatchObject({ ...badIdentity, bodyParts: [0] })
    const answer = await sendCmc(it.app, { profile: 'guarded', requests: [tcrFor(1, device(), newName())] })
    expect(answer.http.status).toBe(401)
    expect(statusOf(answer)).toMatchObject({ ...badIdentity, bodyParts: [0] })
  })
})
