import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AcmeClient } from '../helpers/acmeClient.ts'
import { httpsTransport } from '../helpers/acmeHttps.ts'
import { databases } from '../helpers/databases.ts'
import { bindingOf } from '../helpers/externalAccount.ts'
import { formsOf, leaksIn, type Planted, unsignedJwt } from '../helpers/leaks.ts'
import { freePorts } from '../helpers/ports.ts'
import { csrOf, device, scepMessage, scepRecipient } from '../helpers/scepClient.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'
import { until } from '../helpers/until.ts'
import { createReceiver, type Receiver } from '../helpers/webhookReceiver.ts'
import { newCsr } from '../helpers/world.ts'

const planted: Planted[] = []
/** Takes note of a secret, and gives it back. */
function secret(what: string, text = `${what.replaceAll(' ', '-')}+${randomBytes(9).toString('hex')}/Ä`): string {
  planted.push({ what, secret: text })
  return text
}

interface Answer {
  status: number
  text: string
  headers: Record<string, string | string[] | undefined>
}

describe('secrets are nowhere but where they belong', () => {
  let server: ServerProcess
  let database: Awaited<ReturnType<(typeof databases)[0]['openEmpty']>>
  let folder: string
  let collector: Receiver
  /** All that processes wrote, beside what they were asked to show. */
  const written: { where: string; text: string }[] = []
  const password = secret('password of the administrator')
  let url: URL

  beforeAll(async () => {
    const [, postgres] = databases
    if (!postgres) throw new Error('no PostgreSQL')
    database = await postgres.openEmpty()
    url = new URL(database.url)
    // The test's PostgreSQL trusts whoever connects, so that any password does.
    url.password = encodeURIComponent(secret('password of the database', `db${randomBytes(12).toString('hex')}`))
    folder = mkdtempSync(join(tmpdir(), 'countersign-secrets-'))
    collector = await createReceiver()
    collector.answer = 503
    const [closed = 0] = await freePorts(1)
    writeFileSync(
      join(folder, 'countersign.yaml'),
      `oidc:\n  issuer: https://localhost:${closed}\n  clientId: countersign\n`,
    )
    server = await startServer({
      databaseUrl: url.toString(),
      env: {
        COUNTERSIGN_CONFIG: join(folder, 'countersign.yaml'),
        COUNTERSIGN_LOG_LEVEL: 'trace',
        COUNTERSIGN_KEY_SECRET: secret('key secret'),
        COUNTERSIGN_OIDC_CLIENT_SECRET: secret('client secret', randomBytes(24).toString('hex')),
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url.replace(/\/hook.*/, ''),
        OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer%20${secret('token of the collector', randomBytes(24).toString('hex'))}`,
      },
    })
  }, 120_000)
  afterAll(async () => {
    await server?.stop()
    await database?.close()
    await collector?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const ask = (method: string, path: string, { body, base, ...headers }: Record<string, string | Buffer> = {}) =>
    new Promise<Answer>((resolve, reject) => {
      const asked = request(
        `${base ?? server.baseUrl}${path}`,
        { method, ca: readFileSync(server.rootPem), agent: false, headers: headers as Record<string, string> },
        (answer) => {
          const parts: Buffer[] = []
          answer.on('data', (part: Buffer) => parts.push(part))
          answer.on('end', () =>
            resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(parts).toString(), headers: answer.headers }),
          )
        },
      )
      asked.on('error', reject)
      asked.end(body)
    })
  const json = (method: string, path: string, body: unknown, more: Record<string, string> = {}) =>
    ask(method, path, { 'content-type': 'application/json', body: JSON.stringify(body), ...more })
  const form = (path: string, fields: Record<string, string>, more: Record<string, string> = {}) =>
    ask('POST', path, {
      'content-type': 'application/x-www-form-urlencoded',
      origin: server.baseUrl,
      body: new URLSearchParams(fields).toString(),
      ...more,
    })
  const basic = (name: string, word: string) => `Basic ${Buffer.from(`${name}:${word}`).toString('base64')}`
  /** A command whose answer may hold what it made; what it wrote beside that may not. */
  const cli = async (line: string, options: { token?: string; input?: string } = {}) => {
    const ended = await server.cli(line.split(' '), options)
    written.push({ where: `standard error of ${line}`, text: ended.stderr })
    return ended
  }
  const made = async (line: string, options: { token?: string; input?: string } = {}) => {
    const { code, stdout, stderr } = await cli(`${line} --json`, options)
    expect([line, code, code === 0 ? '' : stderr]).toEqual([line, 0, ''])
    return JSON.parse(stdout)
  }
  let token = ''

  test('people: setup link, passwords right and wrong, tokens, sessions, the console', async () => {
    await made(`user set-password --setup-link ${server.setupSecret}`, { input: `${password}\n` })
    const { text } = await made('token create --user admin', { input: `${password}\n` })
    token = secret('token', text)
    await cli('token create --user admin', { input: `${secret('wrong password of the command line')}\n` })
    await made('user create somebody', { token })
    secret('setup link', (await made('user setup-link somebody', { token })).secret)
    const wrong = await form('/console/login', { username: 'admin', password: secret('wrong password of the console') })
    expect(wrong.status).toBeLessThan(500)
    const entered = await form('/console/login', { username: 'admin', password })
    const cookie = String(entered.headers['set-cookie'])
    const [, session = ''] = /__Host-session-id=([^;]+)/.exec(cookie) ?? []
    expect(session).not.toBe('')
    secret('session of the console', session)
    for (const path of ['', '/account', '/requests', '/certificates', '/audit', '/nowhere'])
      expect((await ask('GET', `/console${path}`, { cookie: `__Host-session-id=${session}` })).status).toBeLessThan(500)
    await form('/console/setup', {
      link: `https://x/#${secret('wrong setup link')}`,
      password: secret('password of a wrong link'),
    })
    await ask('GET', `/console/login?next=/console&password=${encodeURIComponent(secret('password in a query'))}`)
  })

  test('REST: sessions, tokens that are none, bodies that cannot be read', async () => {
    const sessions = '/api/v1/countersign/sessions'
    const opened = await json('POST', sessions, { username: 'admin', password }, { origin: server.baseUrl })
    expect(opened.status).toBeLessThan(300)
    await json('POST', sessions, { username: 'admin', password: secret('wrong password of REST') })
    await json('POST', sessions, {
      username: [secret('password as a name')],
      password: { text: secret('nested password') },
    })
    const broken = `{"username":"admin","password":"${secret('password in broken JSON')}`
    await ask('POST', sessions, { 'content-type': 'application/json', body: broken })
    await ask('GET', '/api/v1/certificates', {
      authorization: `Bearer ${secret('token that is none', 'cs_notone+/=12')}`,
    })
    await ask('GET', '/api/v1/certificates', { authorization: `Bearer ${secret('JWT', unsignedJwt())}` })
    await ask('GET', '/api/v1/certificates', { authorization: basic('admin', secret('Basic over REST')) })
    await ask('GET', `/api/v1/countersign/sessions/oidc/callback?code=${secret('OIDC code', 'code1234567890')}&state=x`)
    await ask('GET', '/api/v1/countersign/sessions/oidc')
    const { name, hooked } = {
      name: 'hook',
      hooked: `${collector.url}${secret('token of a webhook', 'hooktoken123456')}`,
    }
    const hook = await json(
      'POST',
      '/api/v1/countersign/webhooks',
      { name, url: hooked, events: ['issued', 'requested'] },
      bearer(),
    )
    expect([hook.status, hook.status < 300 ? '' : hook.text]).toEqual([201, ''])
    secret('secret of a webhook', JSON.parse(hook.text).secret)
  })
  const bearer = () => ({ authorization: `Bearer ${token}` })

  test('ACME with an external account, and one whose key is wrong', async () => {
    const key = await made('eab create --profile default', { token })
    secret('key of an external account', key.hmac)
    const send = httpsTransport({ ca: readFileSync(server.rootPem) })
    const client = await new AcmeClient(server.directory, send).load()
    const binding = bindingOf(client, { kid: key.kid, secret: key.hmac })
    const account = await client.register({ termsOfServiceAgreed: true, externalAccountBinding: binding })
    expect(account.status).toBe(201)
    const other = await new AcmeClient(server.directory, send).load()
    const wrong = bindingOf(other, {
      kid: key.kid,
      secret: secret('wrong key of an account', randomBytes(32).toString('base64url')),
    })
    expect(
      (await other.register({ termsOfServiceAgreed: true, externalAccountBinding: wrong })).status,
    ).toBeGreaterThan(399)
    await client.order(['acme.localhost'])
    send.close()
  })

  test('EST and SCEP with challenges, right and wrong, and a key that the server makes', async () => {
    const words = 'challenge create --profile default --dns est.example.org'
    const challenge = async () => secret('challenge', (await made(words, { token })).challenge)
    const csr = (await newCsr(['est.example.org'])).der.toString('base64')
    const est = (operation: string, word: string) =>
      ask('POST', `/.well-known/est/${operation}`, {
        base: server.mtlsBaseUrl,
        'content-type': 'application/pkcs10',
        authorization: basic('x', word),
        body: csr,
      })
    expect((await est('simpleenroll', await challenge())).status).toBe(200)
    expect((await est('simpleenroll', secret('wrong challenge of EST'))).status).toBeGreaterThan(399)
    const generated = await est('serverkeygen', await challenge())
    expect(generated.status).toBe(200)
    const [, key = ''] = /application\/pkcs8[\s\S]*?\r\n\r\n([A-Za-z0-9+/=\r\n]+?)\r\n--/.exec(generated.text) ?? []
    // Whatever of the private key is not its header.
    secret('private key', key.replace(/\s/g, '').slice(60, 140))
    const ca = await scepRecipient(`${server.httpUrl}/scep/default?operation=GetCACert`)
    for (const word of [await challenge(), secret('wrong challenge of SCEP')]) {
      const by = device('est.example.org')
      const data = csrOf(by, { subject: { CN: 'est.example.org' }, dns: ['est.example.org'], challenge: word })
      const message = await scepMessage({ data, by, to: ca, transactionId: word.slice(0, 9) })
      const operation = `${server.httpUrl}/scep/default?operation=PKIOperation&message=${encodeURIComponent(message.toString('base64'))}`
      expect((await fetch(operation)).status).toBe(200)
    }
    const file = join(server.workFolder, 'static.txt')
    writeFileSync(file, `${secret('static challenge')}\n`)
    await made(`challenge set-static --profile default --challenge-file ${file}`, { token })
    secret('webhook secret of SCEP', (await made('challenge webhook-secret --profile default', { token })).secret)
  })

  test('Notary, FastPKI, Alpacon: logins and tokens', async () => {
    const entered = await json('POST', '/notary/login', { email: 'admin', password })
    secret('token of Notary', JSON.parse(entered.text).result.token)
    await json('POST', '/notary/login', { email: 'admin', password: secret('wrong password of Notary') })
    const account = {
      email: 'r@example.com',
      password: secret('password of a new account', 'Correct-Horse-7-Battery-x'),
      role_id: 2,
    }
    expect((await json('POST', '/notary/api/v1/accounts', account, bearer())).status).toBeLessThan(500)
    for (const path of [
      '/fastpki/api/v1/certs',
      '/alpacon/sign-requests',
      '/v1/certificates',
      '/notary/api/v1/accounts',
    ]) {
      expect((await ask('GET', path, bearer())).status).toBeLessThan(500)
      await ask('GET', path, {
        authorization: `Bearer ${secret(`token of nobody for ${path.split('/')[1]}`)}`.replace('Ä', 'A'),
      })
      await ask('GET', `${path}?token=${encodeURIComponent(secret(`token in a query of ${path.split('/')[1]}`))}`)
    }
  })

  test('a process that cannot start says why without its secrets', { timeout: 120_000 }, async () => {
    const metrics = await (await fetch(`${server.httpUrl}/metrics`)).text()
    expect(metrics).toMatch(/^sign_requests_total\{/m)
    written.push({ where: 'metrics', text: metrics })
    await server.kill('SIGTERM')
    const away = new URL(url)
    away.pathname = '/nowhere'
    written.push({ where: 'the first process', text: server.output().stderr })
    for (const env of [
      { COUNTERSIGN_KEY_SECRET: secret('another key secret') },
      { DATABASE_URL: away.toString() },
      { DATABASE_URL: `postgres://user:${secret('password in a broken address', 'brokenpass12345')}@:x/` },
      { OTEL_EXPORTER_OTLP_ENDPOINT: `https://x:${secret('password of a collector', 'collectorpass1')}@localhost` },
      { COUNTERSIGN_KEY_SECRET: secret('short secret', 'tooshort!x') },
    ]) {
      const failure = await server.restart({ ...env, COUNTERSIGN_LOG_LEVEL: 'debug' }).then(
        () => 'it started',
        (error: unknown) => String(error),
      )
      expect(failure).toContain('the server ended at its start')
      written.push({ where: `the end of ${Object.keys(env)}`, text: failure })
    }
    await server.restart()
  })

  test('nothing of it is in logs, the trail, alerts, metrics, traces or what processes wrote', async () => {
    await until('the collector was asked', async () => collector.heard.length > 0 || undefined)
    const tables = ['audit_events', 'alerts', 'jobs', 'sign_requests', 'revoke_requests', 'decisions', 'settings']
    const client = new pg.Client({ connectionString: url.toString() })
    await client.connect()
    for (const table of tables) {
      // A settings row holds the salt and cursors, no secret.
      const { rows } = await client.query(`select row_to_json(t)::text as row from ${table} t`)
      written.push({ where: table, text: rows.map(({ row }) => row).join('\n') })
    }
    await client.end()
    written.push({ where: 'traces', text: collector.heard.map(({ body }) => body).join('\n') })
    written.push({ where: 'the server', text: server.output().stderr })
    expect(planted.length).toBeGreaterThan(40)
    expect(written.flatMap(({ where, text }) => leaksIn(where, text, planted))).toEqual([])
    // It would be found: the log is there, and what is planted in it is seen in each form.
    const [log = ''] = written.filter(({ where }) => where === 'the first process').map(({ text }) => text)
    expect(log).toContain('/.well-known/est/simpleenroll')
    for (const form of formsOf(password)) expect(leaksIn('x', `${log}${form}`, planted).length).toBeGreaterThan(0)
  })
})
