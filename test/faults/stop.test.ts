import { readFileSync } from 'node:fs'
import { Agent } from 'node:https'
import { expect, test } from 'vitest'
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
      const logged = new Set(
        stderr
          .split('\n')
          .filter((line) => line.includes('"request"'))
          .map((line) => JSON.parse(line).path),
      )
      expect(answered.length).toBeGreaterThan(500)
      expect(answered.filter((path) => !logged.has(path))).toEqual([])
    } finally {
      await server.stop()
    }
  },
)
