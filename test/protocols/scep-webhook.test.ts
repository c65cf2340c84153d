import { createHmac } from 'node:crypto'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createHttps } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { askWebhook, type Question, type WebhookOptions, webhookOptions } from '../../protocols/scep/webhook.ts'
import { refuseAddress } from '../../src/http/webhookReach.ts'
import { opensslKeyAndCertificate } from '../helpers/webhook.ts'

const secret = Buffer.alloc(32, 7)
const now = new Date('2026-03-04T05:06:07Z')
const question: Question = {
  profile: 'devices',
  transactionId: 'AB12',
  subject: 'CN=ä',
  identifiers: [{ type: 'dns', value: 'a.example.org' }],
  challenge: 'only for the webhook',
  csr: Buffer.from('der').toString('base64'),
  spkiSha256: '00',
  source: null,
}

interface Seen {
  method: string | undefined
  url: string | undefined
  headers: IncomingMessage['headers']
  body: string
}

describe('a webhook that decides', () => {
  let server: Server
  let base: string
  let seen: Seen[] = []
  let answer: (response: ServerResponse) => void
  const listener: RequestListener = (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method, url, headers } = request
      seen.push({ method, url, headers, body: Buffer.concat(chunks).toString() })
      answer(response)
    })
  }
  beforeAll(async () => {
    server = createServer(listener)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })

  function ask(
    reply: typeof answer,
    { timeOut = 5_000, ...options }: Partial<WebhookOptions> & { timeOut?: number } = {},
  ) {
    answer = reply
    seen = []
    return askWebhook({ url: `${base}/decide?x=1`, ...options }, question, now, timeOut)(secret)
  }
  const json =
    (value: unknown, status = 200) =>
    (response: ServerResponse) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
    }

  test('is asked once, signed over time and body, and lets in with an identity', async () => {
    expect(await ask(json({ allow: true, identity: 'phone 17', more: 1 }))).toEqual({
      allow: true,
      identity: 'phone 17',
    })
    expect(seen).toHaveLength(1)
    const [{ method, url, headers, body } = {} as Seen] = seen
    expect([method, url, headers['content-type']]).toEqual(['POST', '/decide?x=1', 'application/json'])
    expect(JSON.parse(body)).toEqual({ version: 1, event: 'decide', ...question })
    const timestamp = String(now.getTime() / 1000)
    const signature = createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')
    expect(headers['x-countersign-timestamp']).toBe(timestamp)
    expect(headers['x-countersign-signature']).toBe(`v1=${signature}`)
  })

  test('refuses with a reason', async () => {
    expect(await ask(json({ allow: false, reason: 'not enrolled' }))).toEqual({ allow: false, reason: 'not enrolled' })
  })

  describe('lets nobody in by', () => {
    test.each<[string, (response: ServerResponse) => void, RegExp]>([
      ['a redirect', (response) => void response.writeHead(302, { location: '/elsewhere' }).end(), /status 302/],
      ['a permanent one', (response) => void response.writeHead(308, { location: '/elsewhere' }).end(), /status 308/],
      ['401', json({ allow: true }, 401), /status 401/],
      ['500', json({ allow: true }, 500), /status 500/],
      ['201', json({ allow: true }, 201), /status 201/],
      ['nothing', (response) => void response.writeHead(200).end(), /JSON/],
      ['what is no JSON', (response) => void response.writeHead(200).end('yes'), /JSON/],
      ['a list', json([{ allow: true }]), /expected object/],
      ['a word for yes', json({ allow: 'true' }), /expected boolean/],
      ['a number for yes', json({ allow: 1 }), /expected boolean/],
      ['nothing about it', json({ ok: true }), /expected boolean/],
      ['a name too long', json({ allow: true, identity: 'x'.repeat(201) }), /200/],
      ['too much', json({ allow: true, identity: 'x', padding: 'x'.repeat(17_000) }), /more than 16384/],
      [
        'half an answer',
        (response) => {
          response.writeHead(200, { 'content-length': 100 })
          response.write('{"allow":true')
          response.socket?.end()
        },
        /./,
      ],
      ['a closed connection', (response) => void response.socket?.destroy(), /./],
    ])('%s', async (_, reply, why) => {
      await expect(ask(reply)).rejects.toThrow(why)
      expect(seen).toHaveLength(1)
    })

    test('an endless answer', async () => {
      const endless = (response: ServerResponse) => {
        response.on('error', () => {})
        const more = () => response.destroyed || response.write('x'.repeat(4096), more)
        response.writeHead(200)
        more()
      }
      await expect(ask(endless)).rejects.toThrow(/more than 16384/)
    })

    test('silence', async () => {
      await expect(ask(() => {}, { timeOut: 50 })).rejects.toThrow(/abort|time/i)
    })

    test('an answer that never ends, octet by octet', async () => {
      const slow = (response: ServerResponse) => {
        response.writeHead(200).write('{')
        const timer = setInterval(() => response.write(' '), 5)
        response.on('close', () => clearInterval(timer))
      }
      await expect(ask(slow, { timeOut: 100 })).rejects.toThrow(/abort|time/i)
    })

    test('nobody there', async () => {
      await expect(ask(json({ allow: true }), { url: 'http://127.0.0.1:1/' })).rejects.toThrow(/ECONNREFUSED/)
    })
  })

  describe('over https', () => {
    let secure: Server
    let url: string
    let ca: string
    beforeAll(async () => {
      const pair = opensslKeyAndCertificate('127.0.0.1')
      ca = pair.cert
      secure = createHttps(pair, listener) as unknown as Server
      await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve))
      url = `https://127.0.0.1:${(secure.address() as AddressInfo).port}/`
    })
    afterAll(() => {
      secure.closeAllConnections()
      secure.close()
    })

    test('with a certificate that the profile names', async () => {
      expect(await ask(json({ allow: true }), { url, ca })).toEqual({ allow: true })
    })

    test('with any other one nobody is asked', async () => {
      await expect(ask(json({ allow: true }), { url })).rejects.toThrow(/certificate/)
      const other = opensslKeyAndCertificate('127.0.0.1').cert
      await expect(ask(json({ allow: true }), { url, ca: other })).rejects.toThrow(/certificate/)
      expect(seen).toEqual([])
    })

    test('for another host nobody is asked', async () => {
      const named = url.replace('127.0.0.1', 'localhost')
      await expect(ask(json({ allow: true }), { url: named, ca })).rejects.toThrow(/altnames|ECONNREFUSED/)
      expect(seen).toEqual([])
    })
  })

  describe('is reached', () => {
    test.each(['127.0.0.1', '10.1.2.3', '192.168.1.1', '172.31.0.1', '[::1]', '[fd00::1]'])(
      'at %s without TLS',
      (host) => {
        expect(() => refuseAddress(host, false)).not.toThrow()
      },
    )
    test.each(['8.8.8.8', '172.32.0.1', '[2001:db8::1]'])('at %s with TLS alone', (host) => {
      expect(() => refuseAddress(host, true)).not.toThrow()
      expect(() => refuseAddress(host, false)).toThrow(/https/)
    })
    test.each([
      '169.254.169.254',
      '0.0.0.0',
      '224.0.0.1',
      '255.255.255.255',
      '[fe80::1]',
      '[::]',
      '[::ffff:169.254.169.254]',
      '[64:ff9b::a9fe:a9fe]',
      '[fd00:ec2::254]',
    ])('never at %s', (host) => {
      expect(() => refuseAddress(host, true)).toThrow(/may not/)
    })
    test('as a number in disguise neither: the URL has its address', async () => {
      await expect(ask(json({ allow: true }), { url: 'https://2852039166/' })).rejects.toThrow(/169\.254\.169\.254/)
      await expect(ask(json({ allow: true }), { url: 'https://0xa9fea9fe/' })).rejects.toThrow(/169\.254\.169\.254/)
    })
    test('by a name only where all that it leads to may be', async () => {
      const url = base.replace('127.0.0.1', 'localhost')
      expect(await ask(json({ allow: true }), { url })).toEqual({ allow: true })
    })
  })
})

test.each(['ftp://a.example/', 'https://user:pw@a.example/', 'https://a.example/#x', 'a.example', ''])(
  'the setting %j is refused',
  (url) => {
    expect(webhookOptions.safeParse({ url }).success).toBe(false)
  },
)
