import { createHash } from 'node:crypto'
import { get } from 'node:https'
import { beforeAll, describe, expect, test } from 'vitest'
import { asRequester } from '../../src/core/identity/identity.ts'
import { createToken } from '../../src/core/login/token.ts'
import { transaction } from '../../src/db/transaction.ts'
import { createPeople, type People } from '../helpers/people.ts'
import { useScepApp } from '../helpers/scepApp.ts'
import { device } from '../helpers/scepClient.ts'

const basic = (name: string, secret: string) => `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}`
const password = 'a password of some length'

describe('the page that device-management systems read', () => {
  const use = useScepApp()
  let people: People
  let token: string
  beforeAll(async () => {
    people = await createPeople(use.app.world)
    await people.setPassword(people.chief)
    await people.setPassword(people.alice)
    const at = use.app.world.time.now
    const change = { actor: asRequester(people.chief), at }
    const made = await transaction(use.app.world.it.db, (db) =>
      createToken(db, change, { userId: people.chief.id, name: 'mdm' }),
    )
    token = made.text
  })

  interface Page {
    status: number | undefined
    headers: Record<string, unknown>
    body: Buffer
    text: string
  }
  function ask(
    authorization?: string,
    path = '/certsrv/mscep_admin/',
    more: Record<string, string> = {},
    method = 'GET',
  ) {
    const headers = { ...more, ...(authorization === undefined ? {} : { authorization }) }
    const options = {
      port: use.app.server.ports.httpsPort,
      host: '127.0.0.1',
      path,
      headers,
      method,
      rejectUnauthorized: false,
      agent: false,
    }
    return new Promise<Page>((resolve, reject) => {
      get(options, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () => {
          const body = Buffer.concat(chunks)
          resolve({ status: response.statusCode, headers: response.headers, body, text: body.toString('utf16le') })
        })
      }).on('error', reject)
    })
  }
  const challengeIn = (text: string) =>
    /The enrollment challenge password is: <B> ([0-9A-F]{16,32}) <\/B>/.exec(text)?.[1]

  test('shows a challenge good for one device, in the form of NDES', async () => {
    const { status, headers, body, text } = await ask(basic('chief', password))
    expect(status).toBe(200)
    expect(body.subarray(0, 2)).toEqual(Buffer.from([0xff, 0xfe]))
    expect(headers['content-type']).toBe('text/html; charset=UTF-16')
    expect(headers['cache-control']).toBe('no-store')
    expect(text).toContain('This password can be used only once and will expire within 60 minutes.')
    const challenge = challengeIn(text)
    expect(challenge).toMatch(/^[0-9A-F]{32}$/)
    const by = device('mdm')
    const reply = await use.app.enrol(by, { subject: { CN: 'mdm.example.org' }, ...(challenge ? { challenge } : {}) })
    expect(reply.pkiStatus).toBe('PENDING')
    const again = await use.app.enrol(device('other'), {
      subject: { CN: 'mdm.example.org' },
      ...(challenge ? { challenge } : {}),
    })
    expect(again).toMatchObject({ pkiStatus: 'FAILURE', failInfo: 'badRequest' })
  })

  // How programs in the field take it out of the page.
  test.each<[string, (text: string) => string | undefined]>([
    ['by an expression', (text) => /(?:The enrollment challenge password is): <B> (\S*)/i.exec(text)?.[1]],
    ['by an expression with both ends', (text) => /challenge password is: <B> ([A-Z0-9]{16,32}) <\/B>/.exec(text)?.[1]],
    [
      'as the first long run of hexadecimal digits',
      (text) => text.split(/\s+/).find((word) => /^[A-F0-9]{16}/.test(word)),
    ],
    [
      'between angle brackets',
      (text) => {
        const parts = text.split('>')
        const at = parts.findIndex((part) => part.indexOf('The enrollment challenge password is: <B') === 1)
        return parts[at + 1]?.replace(/<\/B$/, '').trim()
      },
    ],
  ])('a challenge is found %s', async (_, find) => {
    const { text } = await ask(basic('chief', password))
    expect(find(text)).toBe(challengeIn(text))
  })

  test('shows the thumbprint of the authority', async () => {
    const [, issuing] = await use.app.caCertificates()
    const { text } = await ask(basic('chief', password))
    const shown = /CA certificate is: <B> ([0-9A-F ]+) <\/B>/.exec(text)?.[1]?.replaceAll(' ', '').toLowerCase()
    expect(shown).toBe(
      createHash('sha256')
        .update(issuing ?? Buffer.alloc(0))
        .digest('hex'),
    )
  })

  test('a challenge can be bound: its device need not wait for a person where the rules say so', async () => {
    await use.app.save(
      'bound',
      {},
      {
        rules: {
          issue: [{ name: 'bound', when: 'entitled', auto: true }],
          renew: [],
          rekey: [],
          revoke: [],
          export: [],
        },
      },
    )
    const { text } = await ask(basic('chief', password), '/certsrv/mscep_admin/bound/?dns=One.example.org')
    const challenge = challengeIn(text) ?? ''
    const enrol = (name: string, by: string) =>
      use.app.enrol(device(by), { subject: { CN: name }, dns: [name], challenge, profile: 'bound' })
    expect((await enrol('two.example.org', 'thief')).pkiStatus).toBe('FAILURE')
    expect((await enrol('one.example.org', 'rightful')).pkiStatus).toBe('SUCCESS')
  })

  test.each([
    ['a token in place of the password', () => basic('chief', token)],
    ['a token as Bearer', () => `Bearer ${token}`],
    ['a domain before the name', () => basic('EXAMPLE\\chief', password)],
  ])('%s', async (_, authorization) => {
    const { status, text } = await ask(authorization())
    expect(status).toBe(200)
    expect(challengeIn(text)).toBeDefined()
  })

  test.each([
    ['without a word', undefined],
    ['with a wrong password', basic('chief', 'a password of another length')],
    ['for one who is not there', basic('nobody', password)],
    ['with a token that is none', `Bearer cs_${'x'.repeat(43)}`],
    ['without a name', basic('', password)],
    ['with what is no credential', 'Basic %%%'],
    ['with NTLM', 'NTLM TlRMTVNTUAABAAAA'],
    ['with another’s token', 'other'],
  ])('401 %s', async (_, authorization) => {
    const given = authorization === 'other' ? basic('alice', token) : authorization
    const { status, headers, body } = await ask(given)
    expect(status).toBe(401)
    expect(headers['www-authenticate']).toBe('Basic realm="countersign", charset="UTF-8"')
    expect(body.toString()).not.toContain('challenge password is')
  })

  test('403 for a user without manage, in the words that programs know', async () => {
    const { status, text } = await ask(basic('alice', password))
    expect(status).toBe(403)
    expect(text).toContain('You do not have sufficient permission to enroll with SCEP.')
    expect(challengeIn(text)).toBeUndefined()
  })

  test('what makes nothing: another site, POST, HEAD, a profile that is not there, names that are none', async () => {
    const right = basic('chief', password)
    const count = async () => (await people.as(people.chief).admin.challenges({ all: true })).length
    const before = await count()
    expect((await ask(right, '/certsrv/mscep_admin/', { 'sec-fetch-site': 'cross-site' })).status).toBe(403)
    expect((await ask(right, '/certsrv/mscep_admin/', {}, 'POST')).status).toBe(405)
    expect((await ask(right, '/certsrv/mscep_admin/', {}, 'HEAD')).status).toBe(200)
    expect((await ask(right, '/certsrv/mscep_admin/nothing/')).status).toBe(404)
    expect((await ask(right, '/certsrv/mscep_admin/?subject=%3Cscript%3E')).status).toBe(400)
    expect(await count()).toBe(before)
  })

  test('is not there over plain HTTP', async () => {
    expect((await use.app.ask('/certsrv/mscep_admin/')).status).toBe(404)
    expect((await use.app.ask('/certsrv/mscep/mscep.dll/../../mscep_admin/')).status).toBe(404)
  })

  test('ten wrong passwords from one address: not even the right one', async () => {
    for (let at = 0; at < 12; at++) await ask(basic('chief', `wrong ${at}`))
    expect((await ask(basic('chief', password))).status).toBe(429)
    use.app.world.time.pass(3_600_000)
    expect((await ask(basic('chief', password))).status).toBe(200)
  })
})
