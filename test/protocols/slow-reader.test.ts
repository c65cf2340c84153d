import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { sendAnswer } from '../../src/http/answer.ts'
import { createPaceWatch } from '../../src/server/pace.ts'

const MIB = 1024 * 1024
const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

const paces = { patience: 1_000, slowest: 64 * 1024, longest: 100_000 }

/** A client that has asked for an answer and reads nothing of it. */
async function reader(write: (outgoing: ServerResponse) => void) {
  const active = new Set<ServerResponse>()
  const server = createServer((incoming, outgoing) => {
    active.add(outgoing)
    outgoing.once('close', () => active.delete(outgoing))
    if (incoming.url === '/large')
      sendAnswer(incoming, outgoing, { status: 200, headers: {}, body: [Buffer.alloc(7), Buffer.alloc(40 * MIB, 'x')] })
    else write(outgoing)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  closing.push(
    () => client.destroy().emit('close'),
    () => server.close(),
  )
  client.on('error', () => {})
  const ask = async (path: string) => {
    client.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
    await once(server, 'request')
  }
  /** As `ask`, until the kernels of both sides take no more of the answer. */
  const fill = async (path: string) => {
    await ask(path)
    const written = () => [...active][0]?.socket?.bytesWritten
    for (let before = written(), same = 0; same < 200; ) {
      await new Promise((resolve) => setImmediate(resolve))
      const now = written()
      same = now === before ? same + 1 : 0
      before = now
    }
  }
  return { active, client, ask, fill, pace: createPaceWatch(paces) }
}

async function readAll(client: Socket, octets: number): Promise<number> {
  let got = 0
  for await (const chunk of client) {
    got += (chunk as Buffer).length
    if (got >= octets) break
  }
  return got
}

describe('an answer of 40 MiB', () => {
  test('whoever reads it has it, whole', async () => {
    const { client, ask } = await reader(() => {})
    await ask('/large')
    expect(await readAll(client, 40 * MIB + 7)).toBeGreaterThan(40 * MIB)
  })

  test('no more of it is handed over than the client takes', async () => {
    const { active, fill } = await reader(() => {})
    await fill('/large')
    const [outgoing] = active
    expect(outgoing?.writableLength).toBeGreaterThan(0)
    expect(outgoing?.writableLength).toBeLessThan(MIB / 4)
    // The rest is in the buffers of the system, which has its own bounds.
    expect(outgoing?.socket?.bytesWritten).toBeLessThan(16 * MIB)
  })

  test('whoever takes nothing of it is cut off in time, and not before', async () => {
    const { active, client, fill, pace } = await reader(() => {})
    await fill('/large')
    for (const now of [0, 500, 1_000]) pace.look(active, now)
    expect({ cut: pace.cut, open: active.size }).toEqual({ cut: 0, open: 1 })
    pace.look(active, 5_000)
    expect(pace.cut).toBe(1)
    await once(client.resume(), 'close')
    expect(active.size).toBe(0)
  })

  test('whoever takes some has time for the next, but not for ever', async () => {
    const { active, client, fill, pace } = await reader(() => {})
    await fill('/large')
    pace.look(active, 0)
    const [outgoing] = active
    const before = outgoing?.socket?.bytesWritten ?? 0
    client.on('data', () => {
      if ((outgoing?.socket?.bytesWritten ?? 0) > before) client.pause()
    })
    await once(outgoing as ServerResponse, 'drain')
    client.pause()
    pace.look(active, 5_000)
    expect(pace.cut).toBe(0)
    pace.look(active, 50_000)
    expect(pace.cut).toBe(1)
  })
})

test('a stream that has nothing to say is not slow', async () => {
  const { active, fill, pace } = await reader((outgoing) => outgoing.writeHead(200).write('data: x\n\n'))
  await fill('/stream')
  for (const now of [0, 10_000, 1_000_000]) pace.look(active, now)
  expect({ cut: pace.cut, open: active.size }).toEqual({ cut: 0, open: 1 })
})
