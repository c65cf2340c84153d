import { beforeAll, describe, expect, it } from 'vitest'
import type { ChallengeDraft } from '../../src/core/enrolment/challengeAdmin.ts'
import { asRequester, findUser } from '../../src/core/identity/identity.ts'
import { readSignRequest } from '../../src/core/request/records.ts'
import { useScepApp, waits } from '../helpers/scepApp.ts'
import { csrOf, device, leafOf } from '../helpers/scepClient.ts'

const entitled = [{ name: 'entitled', when: 'entitled', auto: true }, ...waits]

describe('SCEP challenges', () => {
  const scep = useScepApp()

  beforeAll(() => scep.app.save('bound', {}, { rules: { issue: entitled } }))

  async function challenge(draft: Partial<ChallengeDraft>): Promise<string> {
    const { core, it } = scep.app.world
    const admin = await findUser(it.db, { name: 'admin' })
    if (!admin) throw new Error('no administrator')
    const made = await core.as(asRequester(admin)).admin.createChallenge({ profile: 'bound', ...draft })
    return made.challenge
  }
  const enrol = (name: string, secret: string, more: { key?: string; transactionId?: string } = {}) =>
    scep.app.enrol(device(more.key ?? name), {
      subject: { CN: name },
      profile: 'bound',
      challenge: secret,
      transactionId: more.transactionId ?? `tid ${name}`,
    })

  it('a one-time challenge for a name enrols it at once, and its resend gets the same certificate (41)', async () => {
    const secret = await challenge({ identifiers: { dns: ['bound.example.org'] } })
    const reply = await enrol('bound.example.org', secret)
    expect(reply.pkiStatus).toBe('SUCCESS')
    expect(leafOf(await enrol('bound.example.org', secret)).serial).toBe(leafOf(reply).serial)
    const request = await readSignRequest(scep.app.world.it.db, await scep.app.newest())
    expect(request.requester.kind).toBe('challenge')
    expect(JSON.stringify(request.requester)).not.toContain(secret)
  })

  it('a challenge that is bound to nothing lets people look, who see it beside the request', async () => {
    const secret = await challenge({ note: 'for the printers' })
    expect(await enrol('printer.example.org', secret)).toMatchObject({ pkiStatus: 'PENDING' })
    const request = await readSignRequest(scep.app.world.it.db, await scep.app.newest())
    expect(request.requester.name).toContain('for the printers')
    await scep.app.vote()
    expect((await enrol('printer.example.org', secret)).pkiStatus).toBe('SUCCESS')
  })

  it('RFC 8894 section 3.1: an EC key gets its answer by the challenge', async () => {
    const secret = await challenge({ identifiers: { dns: ['curve.example.org'] } })
    const by = device('curve', 'P-256')
    const asked = { subject: { CN: 'curve.example.org' }, profile: 'bound', challenge: secret }
    const reply = await scep.app.enrol(by, { ...asked, password: secret })
    expect(reply).toMatchObject({ pkiStatus: 'SUCCESS', transport: 'password' })
    expect(leafOf(reply).identifiers).toEqual([{ type: 'dns', value: 'curve.example.org' }])
  })

  it('pitfalls "anti-enumeration", "challenge proves a group": wrong, used, and made for another name: FAILURE badRequest by one text, and nothing is stored', async () => {
    const secret = await challenge({ identifiers: { dns: ['once.example.org'] } })
    expect((await enrol('once.example.org', secret)).pkiStatus).toBe('SUCCESS')
    const other = await challenge({ identifiers: { dns: ['mine.example.org'] } })
    const before = await scep.app.count()
    const replies = [
      await enrol('any.example.org', 'GUESSED'),
      await enrol('once.example.org', secret, { key: 'another device', transactionId: 'x' }),
      await enrol('yours.example.org', other),
    ]
    for (const reply of replies) expect(reply).toMatchObject({ pkiStatus: 'FAILURE', failInfo: 'badRequest' })
    expect(new Set(replies.map(({ text }) => text)).size, 'no difference to guess by').toBe(1)
    expect(await scep.app.count()).toBe(before)
    expect((await enrol('mine.example.org', other)).pkiStatus, 'a refusal uses nothing up').toBe('SUCCESS')
  })

  it('pitfall "replay": of sixteen devices at once behind one address one uses a one-time challenge, and the others lock nobody out', async () => {
    const secret = await challenge({ uses: 1 })
    const replies = await Promise.all(
      Array.from({ length: 16 }, (_, i) =>
        enrol(`race${i}.example.org`, secret, { key: `race ${i % 4}`, transactionId: `race ${i}` }),
      ),
    )
    expect(replies.filter(({ pkiStatus }) => pkiStatus !== 'FAILURE')).toHaveLength(1)
    const { core, it } = scep.app.world
    const admin = await findUser(it.db, { name: 'admin' })
    if (!admin) throw new Error('no administrator')
    const phrase = 'a static passphrase'
    await core.as(asRequester(admin)).admin.setStaticChallenge({ profile: 'bound', challenge: phrase })
    expect((await enrol('after.example.org', phrase)).pkiStatus).toBe('PENDING')
  })

  it('pitfall "replay": one request in eight messages at once, each signed by another key, uses a one-time challenge once', async () => {
    const secret = await challenge({ identifiers: { dns: ['signers.example.org'] } })
    const data = csrOf(device('signers'), { subject: { CN: 'signers.example.org' }, challenge: secret })
    const signers = Array.from({ length: 8 }, (_, i) => device(`signer ${i}`))
    const sent = { data, profile: 'bound', transactionId: 'signers' }
    const replies = await Promise.all(signers.map((by) => scep.app.send({ ...sent, by })))
    expect(replies.filter(({ pkiStatus }) => pkiStatus === 'SUCCESS')).toHaveLength(1)
  })

  it('41: a challenge whose time ends while people still think keeps nobody from what they approve', async () => {
    const secret = await challenge({ expiresAt: new Date(scep.app.world.time.now.getTime() + 60_000) })
    expect((await enrol('thinking.example.org', secret)).pkiStatus).toBe('PENDING')
    scep.app.world.time.pass(3_600_000)
    expect((await enrol('thinking.example.org', secret)).pkiStatus, 'a retry of the device').toBe('PENDING')
    await scep.app.vote()
    expect((await enrol('thinking.example.org', secret)).pkiStatus).toBe('SUCCESS')
  })
})
