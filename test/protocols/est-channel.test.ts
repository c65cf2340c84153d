import { request as requestHttps } from 'node:https'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { beforeAll, describe, expect, it } from 'vitest'
import { readSignRequest } from '../../src/core/request/records.ts'
import type { Party } from '../helpers/cms.ts'
import { leafOf, useEstApp } from '../helpers/estApp.ts'
import type { Answered } from '../helpers/rawHttp.ts'
import { csrOf, device } from '../helpers/scepClient.ts'

/** SSL_OP_NO_EXTENDED_MASTER_SECRET of OpenSSL 3.0. */
const NO_EXTENDED_MASTER_SECRET = 1

describe('EST channel binding', () => {
  const est = useEstApp()
  const by = device('bound.example.org', 'P-256')
  const subject = { CN: 'bound.example.org' }

  beforeAll(async () => {
    for (const [name, channelBinding] of [
      ['bound', 'required'],
      ['free', 'optional'],
    ] as const)
      await est.app.save(
        name,
        { channelBinding },
        { rules: { issue: [{ name: 'all', auto: true }], renew: [], rekey: [], revoke: [] } },
      )
  })

  const open = (options: ConnectionOptions): Promise<TLSSocket> =>
    new Promise((resolve, reject) => {
      const port = est.app.server.ports.mtlsPort
      const socket = connect({
        host: '127.0.0.1',
        port,
        servername: 'localhost',
        rejectUnauthorized: false,
        ...options,
      })
      socket.once('secureConnect', () => resolve(socket)).once('error', reject)
    })

  /** One request over this connection. */
  const enroll = (
    socket: TLSSocket,
    challenge: string | undefined,
    profile = 'bound',
    party: Party = by,
  ): Promise<Answered> =>
    new Promise((resolve, reject) => {
      const der = csrOf(party, { subject, ...(challenge === undefined ? {} : { challenge }) })
      const request = requestHttps(
        {
          createConnection: () => socket,
          method: 'POST',
          path: `/.well-known/est/${profile}/simpleenroll`,
          auth: 'maker:correct horse battery staple',
          headers: { 'Content-Type': 'application/pkcs10', 'User-Agent': 'test', Host: 'localhost' },
        },
        (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('end', () => {
            const body = Buffer.concat(chunks)
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body, text: body.toString() })
          })
        },
      )
      request.on('error', reject)
      request.end(der.toString('base64'))
    })

  const exporter = (socket: TLSSocket) =>
    socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0)).toString('base64')
  const unique = (socket: TLSSocket) => socket.getFinished()?.toString('base64') ?? ''
  const v12 = { maxVersion: 'TLSv1.2' } as const
  const v13 = { minVersion: 'TLSv1.3' } as const

  it.each(['bound', 'free'])('7, EC9, RFC 7030 section 3.5: tls-unique on TLS 1.2 fits, in %s', async (profile) => {
    const socket = await open(v12)
    const answer = await enroll(socket, unique(socket), profile)
    expect(leafOf(answer).identifiers).toEqual([{ type: 'dns', value: subject.CN }])
  })

  it.each([
    ['TLS 1.3', v13],
    ['TLS 1.2', v12],
  ])('RFC 9266: tls-exporter on %s fits, and the connection ends after it (section 4.1)', async (_, version) => {
    const socket = await open(version)
    const answer = await enroll(socket, exporter(socket))
    expect(answer.status).toBe(200)
    expect(answer.headers.connection).toBe('close')
  })

  it.each([
    ['of another TLS 1.2 connection', v12, unique],
    ['of another TLS 1.3 connection', v13, exporter],
  ])('a binding %s is refused: it was replayed', async (_, version, binding) => {
    const [first, second] = [await open(version), await open(version)]
    const replayed = binding(first)
    first.destroy()
    expect(await enroll(second, replayed)).toMatchObject({
      status: 403,
      text: expect.stringContaining('does not link'),
    })
  })

  it.each(['bound', 'free'])('22: a wrong one is refused whatever the profile says: %s', async (profile) => {
    for (const [version, wrong] of [
      [v12, Buffer.alloc(12).toString('base64')],
      [v13, Buffer.alloc(32).toString('base64')],
      [v13, 'a shared secret'],
    ] as const) {
      const before = await est.app.count()
      expect(await enroll(await open(version), wrong, profile)).toMatchObject({ status: 403 })
      expect(await est.app.count()).toBe(before)
    }
  })

  it('a missing one is refused where the profile needs it, with what to do', async () => {
    expect(await enroll(await open(v13), undefined)).toMatchObject({
      status: 403,
      text: expect.stringContaining('tls-unique or tls-exporter as challengePassword'),
    })
    expect((await enroll(await open(v13), undefined, 'free')).status).toBe(200)
  })

  it('without extended master secret there is no binding, and a right one does not count', async () => {
    const socket = await open({ ...v12, secureOptions: NO_EXTENDED_MASTER_SECRET })
    expect(await enroll(socket, unique(socket), 'free')).toMatchObject({
      status: 403,
      text: expect.stringContaining('without extended master secret'),
    })
  })

  it('9: a client does not renegotiate, as another one perhaps', async () => {
    const socket = await open(v12)
    const ended = new Promise((resolve) => socket.once('error', resolve))
    socket.renegotiate({ rejectUnauthorized: false }, () => {})
    expect(await ended).toMatchObject({ code: 'ERR_SSL_NO_RENEGOTIATION' })
  })

  it('a challengePassword is neither stored with the request nor shown', async () => {
    const socket = await open(v13)
    const challenge = exporter(socket)
    await enroll(socket, challenge, 'free', device('unstored.example.org', 'P-256'))
    const { csr } = await readSignRequest(est.app.world.it.db, await est.app.newest())
    expect(csr?.includes(challenge)).toBe(false)
  })
})
