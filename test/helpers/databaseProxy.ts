import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A network between a node and its PostgreSQL that does what networks do. */
export interface DatabaseProxy {
  /** As the URL that it stands before, over TCP. */
  url: string
  port: number
  /** Connections that were made so far. */
  readonly made: number
  /** Breaks every connection that stands. */
  cut(): void
  /** From now on nothing comes through, and nobody is told. */
  silence(): void
  /** From now on connections are refused, or taken again. */
  refuse(refused: boolean): void
  /** What a COMMIT comes to after `skip` others: its connection breaks before the server has it, or after, in place of the answer. Once. */
  breakCommit(where: 'before' | 'after', skip?: number): void
  /** New connections work, and no COMMIT breaks any more; silenced ones stay silent. */
  heal(): void
  close(): Promise<void>
}

/** Bound without parameters, and carried out; a connection that is made says something else with this word. */
const COMMIT = Buffer.from('commit\0\0\0\0\0\0\0E')

/** `url`: of a PostgreSQL on a socket, as test/helpers/cluster.ts gives it. */
export async function databaseProxy(url: string): Promise<DatabaseProxy> {
  const parsed = new URL(url)
  const folder = parsed.searchParams.get('host') ?? ''
  const path = `${folder}/.s.PGSQL.${parsed.searchParams.get('port') ?? 5432}`
  const pairs = new Set<{ client: Socket; server: Socket; silent: boolean }>()
  let silent = false
  let refused = false
  let breaking: 'before' | 'after' | undefined
  let left = 0
  let made = 0
  const proxy = createServer((client) => {
    if (refused) {
      client.destroy()
      return
    }
    made++
    const server = connect(path)
    const pair = { client, server, silent }
    pairs.add(pair)
    let dead = false
    const end = () => {
      pairs.delete(pair)
      client.destroy()
      server.destroy()
    }
    client.on('data', (chunk) => {
      if (pair.silent || dead) return
      if (breaking && chunk.includes(COMMIT) && left-- <= 0) {
        const where = breaking
        breaking = undefined
        if (where === 'before') return end()
        dead = true
        // The answer has come when the server has committed.
        server.once('data', end)
      }
      server.write(chunk)
    })
    server.on('data', (chunk) => {
      if (!pair.silent && !dead) client.write(chunk)
    })
    for (const socket of [client, server]) socket.on('error', end).on('close', end)
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const { port } = proxy.address() as AddressInfo
  return {
    url: `postgres://postgres@127.0.0.1:${port}${parsed.pathname}`,
    port,
    get made() {
      return made
    },
    cut() {
      for (const { client, server } of pairs) {
        client.destroy()
        server.destroy()
      }
    },
    silence() {
      silent = true
      for (const pair of pairs) pair.silent = true
    },
    refuse(now) {
      refused = now
    },
    breakCommit(where, skip = 0) {
      breaking = where
      left = skip
    },
    heal() {
      breaking = undefined
      silent = false
      refused = false
    },
    async close() {
      for (const { client, server } of pairs) {
        client.destroy()
        server.destroy()
      }
      proxy.close()
      await once(proxy, 'close')
    },
  }
}
