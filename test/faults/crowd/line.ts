import { Agent, request } from 'node:https'
import { setTimeout as delay } from 'node:timers/promises'

export interface Asked {
  method?: string
  headers?: Record<string, string>
  body?: string | Buffer
}

export interface Answered {
  status: number
  headers: Map<string, string>
  body: Buffer
  text: string
}

/** The server was killed, or is not there yet: nobody knows what became of the request. */
export class Cut extends Error {}
/** The test is over. */
export class Over extends Error {}

/** The way of all clients to the server: it can be held, so that nothing is under way, and let go. */
export interface Line {
  /** Sends once. Throws Cut, Over. */
  ask(url: string, asked?: Asked): Promise<Answered>
  /** Sends until there is an answer: what was cut off is sent again. Throws Over. */
  insist(url: string, asked?: Asked): Promise<Answered>
  /** Runs what may be cut off until it is not. */
  again<T>(work: () => Promise<T>): Promise<T>
  /** No new request is sent; resolves when none is under way. */
  hold(): Promise<void>
  go(): void
  end(): void
  /** Requests answered so far, and cut off. */
  counts: { answered: number; cut: number }
}

const PATIENCE = 20_000

export function openLine(ca: Buffer): Line {
  const agent = new Agent({ keepAlive: true, maxSockets: 64, ca })
  const counts = { answered: 0, cut: 0 }
  let underWay = 0
  let held = false
  let over = false

  async function ask(url: string, asked: Asked = {}): Promise<Answered> {
    while (held && !over) await delay(10)
    if (over) throw new Over('the test is over')
    underWay += 1
    try {
      const answered = await send(agent, url, asked)
      if (answered.status === 503) throw new Cut(`503: ${answered.text.slice(0, 200)}`)
      counts.answered += 1
      return answered
    } catch (error) {
      counts.cut += 1
      throw error instanceof Cut ? error : new Cut(String(error))
    } finally {
      underWay -= 1
    }
  }

  async function again<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work()
      } catch (error) {
        if (!(error instanceof Cut)) throw error
        await delay(50)
      }
    }
  }

  return {
    ask,
    insist: (url, asked) => again(() => ask(url, asked)),
    again,
    async hold() {
      held = true
      while (underWay > 0) await delay(5)
    },
    go() {
      held = false
    },
    end() {
      over = true
      agent.destroy()
    },
    counts,
  }
}

function send(agent: Agent, url: string, { method = 'GET', headers = {}, body }: Asked): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
    const outgoing = request(
      url,
      { agent, method, headers: { ...headers, ...length }, timeout: PATIENCE },
      (incoming) => {
        const parts: Buffer[] = []
        incoming.on('data', (part: Buffer) => parts.push(part))
        incoming.once('error', reject)
        // An answer that ends early is none.
        incoming.once('aborted', () => reject(new Error('cut off in the middle of the answer')))
        incoming.once('end', () => {
          const octets = Buffer.concat(parts)
          const all = Object.entries(incoming.headers).map(([name, value]) => [name, String(value)] as const)
          resolve({ status: incoming.statusCode ?? 0, headers: new Map(all), body: octets, text: octets.toString() })
        })
      },
    )
    outgoing.once('timeout', () => outgoing.destroy(new Error('no answer in time')))
    outgoing.once('error', reject)
    outgoing.end(body)
  })
}
