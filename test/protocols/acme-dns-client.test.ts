import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createDeadline } from '../../protocols/acme/deadline.ts'
import { createDnsClient } from '../../protocols/acme/dnsClient.ts'
import { RECORD } from '../../protocols/acme/dnsMessage.ts'
import { closedPort, startDns } from '../helpers/validation.ts'

const CAA = { tag: 'issue', value: 'ca.test' }
const DATA = Buffer.from('\x00\x05issueca.test', 'latin1')

async function ask(servers: string, name = 'www.test', timeoutMs = 1000) {
  const deadline = createDeadline(timeoutMs)
  try {
    return await createDnsClient(servers, timeoutMs).ask(name, RECORD.CAA, deadline)
  } finally {
    deadline.close()
  }
}

/** Answers each query as the test says, with the query's id unless it is changed. Answers the address. */
async function startUdp(replies: (query: Buffer) => Buffer[]): Promise<string> {
  const socket = createSocket('udp4')
  socket.on('message', (query, { port, address }) => {
    for (const reply of replies(query)) socket.send(reply, port, address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  onTestFinished(() => void socket.close())
  return `127.0.0.1:${(socket.address() as AddressInfo).port}`
}

/** A reply to this query with that many bits set in its flags, and no records. */
function emptyReply(query: Buffer, flags: number): Buffer {
  const reply = Buffer.from(query)
  reply.writeUInt16BE(flags, 2)
  return reply
}

describe('asks', () => {
  test('with DO and AD, from another port each time', async () => {
    const dns = await startDns()
    dns.set('www.test', { CAA: [CAA] })
    for (let time = 0; time < 4; time++) expect((await ask(dns.address)).records).toEqual([DATA])
    expect(dns.asked).toMatchObject(
      [1, 2, 3, 4].map(() => ({ name: 'www.test', type: 'CAA', ad: true, dnssecOk: true })),
    )
    expect(new Set(dns.asked.map(({ fromPort }) => fromPort)).size).toBeGreaterThan(1)
  })

  test('again over TCP when the answer was cut off', async () => {
    const dns = await startDns()
    dns.set('www.test', { CAA: Array.from({ length: 60 }, (_, n) => ({ tag: 'issue', value: `ca${n}.example.test` })) })
    expect((await ask(dns.address)).records).toHaveLength(60)
    expect(dns.asked.map(({ transport }) => transport)).toEqual(['udp', 'tcp'])
  })

  test('the next server when one is not there', async () => {
    const dns = await startDns()
    dns.set('www.test', { CAA: [CAA] })
    expect((await ask(`127.0.0.1:${await closedPort()},${dns.address}`)).records).toEqual([DATA])
  })

  test('once more when no answer comes', async () => {
    const dns = await startDns()
    let asked = 0
    dns.set('www.test', () => (asked++ === 0 ? { drop: true } : { CAA: [CAA] }))
    expect((await ask(dns.address)).records).toEqual([DATA])
  })
})

describe('answers', () => {
  test('whether the resolver validated', async () => {
    const dns = await startDns({ authenticated: true })
    dns.set('www.test', { CAA: [CAA] })
    expect(await ask(dns.address)).toMatchObject({ authenticated: true, signed: false })
    const other = await startDns({ authenticated: false })
    other.set('www.test', { CAA: [CAA] })
    expect(await ask(other.address)).toMatchObject({ authenticated: false, signed: false })
  })

  test('nothing for a name without records, and for one that does not exist', async () => {
    const dns = await startDns()
    dns.set('www.test', { A: ['192.0.2.1'] })
    expect((await ask(dns.address)).records).toEqual([])
    expect((await ask(dns.address, 'none.test')).records).toEqual([])
  })

  test.each([true, false])('what stands at the end of aliases (recursive: %s)', async (recursive) => {
    const dns = await startDns({ recursive })
    dns.set('www.test', { CNAME: 'A.example.test' })
    dns.set('a.example.test', { CNAME: 'b.example.test' })
    dns.set('b.example.test', { CAA: [CAA] })
    expect((await ask(dns.address)).records).toEqual([DATA])
  })

  test('nothing where aliases lead to nothing', async () => {
    const dns = await startDns()
    dns.set('www.test', { CNAME: 'a.test' })
    dns.set('a.test', { A: ['192.0.2.1'] })
    expect((await ask(dns.address)).records).toEqual([])
  })
})

describe('fails', () => {
  test.each(['SERVFAIL', 'REFUSED', 'NOTIMP', 'FORMERR'] as const)(
    'on %s, which says nothing about the name',
    async (rcode) => {
      const dns = await startDns()
      dns.set('www.test', { rcode })
      await expect(ask(dns.address)).rejects.toMatchObject({
        type: 'dns',
        retry: true,
        message: expect.stringContaining(rcode),
      })
    },
  )

  test('when no answer comes', async () => {
    const dns = await startDns()
    dns.set('www.test', { drop: true })
    await expect(ask(dns.address, 'www.test', 200)).rejects.toMatchObject({
      type: 'dns',
      message: expect.stringMatching(/time|answer/),
    })
  })

  test('when nobody listens', async () => {
    await expect(ask(`127.0.0.1:${await closedPort()}`)).rejects.toMatchObject({
      type: 'dns',
      message: expect.stringContaining('could not be reached'),
    })
  })

  test.each([true, false])('on aliases that go round (recursive: %s)', async (recursive) => {
    const dns = await startDns({ recursive })
    dns.set('www.test', { CNAME: 'a.test' })
    dns.set('a.test', { CNAME: 'www.test' })
    await expect(ask(dns.address)).rejects.toMatchObject({ type: 'dns', message: expect.stringContaining('CNAME') })
  })

  test('on what cannot be read', async () => {
    const address = await startUdp((query) => [Buffer.concat([emptyReply(query, 0x8180), Buffer.of(1)])])
    await expect(ask(address)).rejects.toMatchObject({
      type: 'dns',
      message: expect.stringContaining('cannot be read'),
    })
  })
})

describe('is not taken in by', () => {
  test('another id, another question or no reply at all: the right one counts (RFC 5452 section 9.1)', async () => {
    const address = await startUdp((query) => {
      const otherId = emptyReply(query, 0x8183)
      otherId.writeUInt16BE((query.readUInt16BE(0) + 1) & 0xffff, 0)
      const otherName = emptyReply(query, 0x8183)
      otherName[13] = 'x'.charCodeAt(0)
      return [Buffer.alloc(0), Buffer.of(1, 2, 3), otherId, otherName, query, emptyReply(query, 0x81a0)]
    })
    expect(await ask(address)).toEqual({ records: [], authenticated: true, signed: false })
  })

  test('a sender that was not asked', async () => {
    const stranger = createSocket('udp4')
    onTestFinished(() => void stranger.close())
    const dns = createSocket('udp4')
    dns.on('message', (query, { port, address }) => {
      stranger.send(emptyReply(query, 0x8183), port, address, () => dns.send(emptyReply(query, 0x8182), port, address))
    })
    dns.bind(0, '127.0.0.1')
    await once(dns, 'listening')
    onTestFinished(() => void dns.close())
    await expect(ask(`127.0.0.1:${(dns.address() as AddressInfo).port}`)).rejects.toThrow('SERVFAIL')
  })
})
