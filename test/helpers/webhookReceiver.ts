import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SIGNATURE_HEADER, TIMESTAMP_HEADER, verifyWebhook } from '../../src/core/webhook/webhookSignature.ts'

export interface HeardMessage {
  headers: Record<string, string | string[] | undefined>
  body: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into what was sent
  json: any
}

/** Somebody elsewhere, on loopback, who hears what webhooks are told. */
export interface Receiver {
  url: string
  heard: HeardMessage[]
  /** The status of the answer; a test sets it. */
  answer: number
  /** Runs when a message has come, before it is answered. */
  onMessage: (() => void | Promise<void>) | undefined
  /** Whether a message is signed with this secret, at a time. */
  verify(message: HeardMessage, secret: string, at: Date): boolean
  close(): Promise<void>
}

export async function createReceiver(): Promise<Receiver> {
  const server: Server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', async () => {
      const body = Buffer.concat(parts).toString('utf8')
      receiver.heard.push({ headers: request.headers, body, json: JSON.parse(body) })
      await receiver.onMessage?.()
      response.writeHead(receiver.answer, { location: '/elsewhere' }).end('x'.repeat(100_000))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const receiver: Receiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?token=t`,
    heard: [],
    answer: 204,
    onMessage: undefined,
    verify({ headers, body }, secret, at) {
      const [timestamp, signature] = [headers[TIMESTAMP_HEADER], headers[SIGNATURE_HEADER]]
      if (typeof timestamp !== 'string' || typeof signature !== 'string') return false
      return verifyWebhook(Buffer.from(secret), { timestamp, signature, body }, at)
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
  return receiver
}
