import { EventEmitter, once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AcmeClient, type AcmeOrder, type Reply } from '../helpers/acmeClient.ts'
import { httpsTransport } from '../helpers/acmeHttps.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'
import { newCsr } from '../helpers/world.ts'

const clients = 6
const ordersEach = 5
const kills = 4

/** Answers every http-01 challenge of one account: the token, a dot, the thumbprint. */
function responder(port: number, thumbprint: () => string): Promise<Server> {
  const server = createServer((request, response) => {
    response.end(`${request.url?.split('/').at(-1)}.${thumbprint()}`)
  })
  return new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(server)))
}

describe('SIGKILL of the server while clients issue', () => {
  let server: ServerProcess
  let web: Server
  let running = Promise.resolve()
  let thumbprint = ''

  beforeAll(async () => {
    server = await startServer({ env: { COUNTERSIGN_LOG_LEVEL: 'error' } })
    web = await responder(server.http01Port, () => thumbprint)
  }, 120_000)
  afterAll(async () => {
    web.close()
    await server.stop()
  })

  it('every order goes on, and yields one certificate', { timeout: 180_000 }, async () => {
    const account = new AcmeClient(server.directory, httpsTransport({ ca: readFileSync(server.rootPem) }))
    await (await account.load()).register()
    thumbprint = account.key.thumbprint
    let finished = 0
    const progress = new EventEmitter()
    const work = Array.from({ length: clients }, async (_, client) => {
      // One key and account for all, each with a nonce store of its own.
      const own = new AcmeClient(account.directoryUrl, account.transport, account.key)
      own.directory = account.directory
      own.kid = account.kid
      for (let order = 0; order < ordersEach; order++) {
        await issue(own, `c${client}-o${order}.localhost`)
        finished += 1
        progress.emit('finished')
      }
    })
    const reached = async (count: number) => {
      while (finished < count) await once(progress, 'finished')
    }
    const killer = killAt([2, 9, 15, 22].slice(0, kills), reached)
    await Promise.all([...work, killer])
    const { rows } = JSON.parse((await server.cli(['certificate', 'ls', '--json', '--limit', '200'])).stdout)
    for (let client = 0; client < clients; client++) {
      for (let order = 0; order < ordersEach; order++) {
        const name = `c${client}-o${order}.localhost`
        const carrying = rows.filter((row: { names: string[] }) => row.names.includes(name))
        expect(carrying.length, name).toBeGreaterThan(0)
        // A newOrder whose answer was lost is asked again by the client: more certificates only from more orders.
        expect(carrying.length, name).toBeLessThanOrEqual(1 + kills)
      }
    }
    const audit = await server.cli(['audit', 'verify', '--json'])
    expect(JSON.parse(audit.stdout).problems).toEqual([])
  })

  /** Kills and restarts the server when so many orders are finished. */
  async function killAt(counts: number[], reached: (count: number) => Promise<void>): Promise<void> {
    for (const count of counts) {
      await reached(count)
      running = server.kill('SIGKILL').then(() => server.restart())
      await running
    }
  }

  /** As a client that comes through: what was cut off is asked again. */
  async function issue(client: AcmeClient, name: string): Promise<void> {
    const order = await insist(() => client.order([name]))
    const csr = (await newCsr([name])).der
    for (let tries = 0; tries < 200; tries++) {
      const { json } = await insist(() => post(client, order.url))
      switch (json.status) {
        case 'pending':
          for (const url of order.authorizations) await answerChallenge(client, url)
          break
        case 'ready':
          await insist(() => client.finalize(order, csr))
          break
        case 'processing':
          await new Promise((resolve) => setTimeout(resolve, 50))
          break
        case 'valid': {
          const chain = await insist(() => post(client, String(json.certificate)))
          expect(chain.text).toContain('BEGIN CERTIFICATE')
          return
        }
        default:
          throw new Error(`the order of ${name} is ${JSON.stringify(json)}`)
      }
    }
    throw new Error(`the order of ${name} never ended`)
  }

  async function answerChallenge(client: AcmeClient, url: string): Promise<void> {
    const { json } = await insist(() => post(client, url))
    const challenges = json.challenges as { type: string; url: string; status: string }[]
    const challenge = challenges.find(({ type }) => type === 'http-01')
    if (challenge?.status === 'pending') await insist(() => client.post(challenge.url, {}))
  }

  function post(client: AcmeClient, url: string): Promise<Reply> {
    return client.post(url)
  }

  /** Until there is an answer that is not about a nonce of the process before. */
  async function insist<T extends Reply | AcmeOrder>(ask: () => Promise<T>): Promise<T> {
    for (let tries = 0; tries < 100; tries++) {
      try {
        const answer = await ask()
        if (!('text' in answer) || !String(answer.text).includes(':badNonce')) return answer as T
      } catch (error) {
        const text = String(error)
        if (!/ECONN|socket hang up|EPIPE|badNonce|503|TLS/.test(text)) throw error
        await running.catch(() => {})
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
    throw new Error('the server did not come back')
  }
})
