import { afterAll, beforeAll, expect, test } from 'vitest'
import { run } from '../helpers/program.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'

let server: ServerProcess
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server?.stop())

test('promtool finds no fault with the alert rules', async () => {
  const { code, stdout, stderr } = await run('promtool', ['check', 'rules', 'docs/operate/prometheus/alerts.yml'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(/SUCCESS: \d+ rules found/)
})

test('promtool reads a scrape, and finds no fault with our names', async () => {
  const text = await (await fetch(`${server.httpUrl}/metrics`)).text()
  const { stdout, stderr } = await run('promtool', ['check', 'metrics'], { input: text })
  // Names of prom-client's own.
  const ours = `${stdout}${stderr}`.split('\n').filter((line) => line !== '' && !/^(nodejs|process)_/.test(line))
  expect(ours).toEqual([])
  const broken = await run('promtool', ['check', 'metrics'], { input: 'orders{ 1\n' })
  expect(broken.code).not.toBe(0)
})
