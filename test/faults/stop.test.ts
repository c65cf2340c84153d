import { readFileSync } from 'node:fs'
import { Agent as HttpAgent } from 'node:http'
import { Agent } from 'node:https'
import { expect, test } from 'vitest'
import { freePorts } from '../helpers/ports.ts'
import { ask } from '../helpers/rawHttp.ts'
import { startServer } from '../helpers/serverProcess.ts'

/** Many clients that keep their connections, and a signal in the middle: with a delay and without one. */
test.each(['0', '1s'])(
  'SIGTERM under load, after a delay of %s: every request is answered, and stands in the log',
  { timeout: 60_000 },
  async (delay) => {
    const server = await startServer({ env: { COUNTERSIGN_STOP_DELAY: delay } })
    try {
      const ca = readFileSync(server.rootPem, 'utf8')
      const { port } = new URL(server.baseUrl)
      const answered: string[] = []
      let half = () => {}
      const halfWay = new Promise<void>((resolve) => {
        half = resolve
      })
      const client = async (name: number) => {
        const agent = new Agent({ keepAlive: true, maxSockets: 1 })
        for (let n = 0; ; n++) {
          const path = `/acme/default/nothing/${name}/${n}`
          const { headers, status } = await ask({ tls: true, ca, port: Number(port), path, agent })
          expect(status).toBe(404)
          answered.push(path)
          if (answered.length === 500) half()
          if (headers.connection === 'close') return
        }
      }
      const clients = Array.from({ length: 24 }, (_, name) => client(name))
      await halfWay
      const { code, stderr } = await server.kill('SIGTERM')
      expect(code).toBe(0)
      expect((await Promise.allSettled(clients)).filter(({ status }) => status === 'rejected')).toEqual([])
      const logged = pathsIn(stderr)
      expect(answered.length).toBeGreaterThan(500)
      expect(answered.filter((path) => !logged.has(path))).toEqual([])
    } finally {
      await server.stop()
    }
  },
)

test('whoever reads the log slowly has it to its end', { timeout: 60_000 }, async () => {
  const first = await startServer()
  try {
    await first.kill('SIGTERM')
    const [port = 0] = await freePorts(1)
    const program = first.another({ COUNTERSIGN_HTTP_PORT: String(port) })
    while (!program.output().stdout.includes('countersign is running'))
      await new Promise((resolve) => program.child.stdout?.once('data', resolve))
    program.child.stderr?.pause()
    const agent = new HttpAgent({ keepAlive: true, maxSockets: 8 })
    const paths = Array.from({ length: 4_000 }, (_, n) => `/nothing/${n}`)
    for (let at = 0; at < paths.length; at += 200)
      await Promise.all(paths.slice(at, at + 200).map((path) => ask({ port, path, agent })))
    program.child.kill('SIGTERM')
    const gone = async () => {
      const answer = await ask({ port, path: '/healthz', agent: false }).catch(
        ({ code }: NodeJS.ErrnoException) => code,
      )
      return answer === 'ECONNREFUSED'
    }
    while (!(await gone()));
    program.child.stderr?.resume()
    const { code, stderr } = await program.ended
    expect(code).toBe(0)
    const logged = pathsIn(stderr)
    expect(paths.filter((path) => !logged.has(path))).toEqual([])
  } finally {
    await first.stop()
  }
})

/** Of the requests in a log. */
function pathsIn(log: string): Set<string> {
  const lines = log.split('\n').filter((line) => line.includes('"msg":"request"'))
  return new Set(lines.map((line) => JSON.parse(line).path))
}
