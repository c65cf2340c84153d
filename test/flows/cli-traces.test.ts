import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AcmeClient, type Outgoing } from '../helpers/acmeClient.ts'
import { httpsTransport } from '../helpers/acmeHttps.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'
import { until } from '../helpers/until.ts'
import { createReceiver, type Receiver } from '../helpers/webhookReceiver.ts'
import { newCsr } from '../helpers/world.ts'

const trace = '4bf92f3577b34da6a3ce929d0e0e4736'
const parent = '00f067aa0ba902b7'

interface Told {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  kind: number
  attributes: { key: string; value: { stringValue?: string; intValue?: string } }[]
}

let collector: Receiver
let server: ServerProcess
let web: Server
let thumbprint = ''
const servers: ServerProcess[] = []

async function start(env: Record<string, string>): Promise<ServerProcess> {
  server = await startServer({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url.replace(/\/hook.*/, ''), ...env } })
  servers.push(server)
  web?.close()
  web = createServer((asked, answer) => answer.end(`${asked.url?.split('/').at(-1)}.${thumbprint}`))
  await new Promise<void>((resolve) => web.listen(server.http01Port, '127.0.0.1', resolve))
  return server
}

beforeAll(async () => {
  collector = await createReceiver()
  collector.answer = 200
})
afterAll(async () => {
  for (const one of servers) await one.stop()
  web?.close()
  await collector.close()
})

/** One order by http-01, every request of it with these headers. */
async function order(name: string, headers: Record<string, string>): Promise<void> {
  const send = httpsTransport({ ca: readFileSync(server.rootPem) })
  const transport = (outgoing: Outgoing) => send({ ...outgoing, headers: { ...outgoing.headers, ...headers } })
  const client = await new AcmeClient(server.directory, transport).load()
  await client.register()
  thumbprint = client.key.thumbprint
  const placed = await client.order([name])
  await client.answer(placed, 'http-01')
  await until('ready', async () => (await client.post(placed.url)).json.status === 'ready' || undefined)
  const { json } = await client.finalize(placed, (await newCsr([name])).der)
  expect(json.status).toBe('valid')
  send.close()
}

const spans = (): Told[] => collector.heard.flatMap(({ json }) => json.resourceSpans[0].scopeSpans[0].spans as Told[])
const attribute = ({ attributes }: Told, name: string) => {
  const value = attributes.find(({ key }) => key === name)?.value
  return value?.stringValue ?? value?.intValue
}

test('an order is a trace: requests, with the stages and the validation below them', async () => {
  await start({
    COUNTERSIGN_TRUSTED_PROXIES: '127.0.0.1',
    COUNTERSIGN_VALIDATION_NETWORKS: 'loopback',
    OTEL_SERVICE_NAME: 'ra',
  })
  await order('traced.localhost', { 'x-forwarded-for': '192.0.2.9', traceparent: `00-${trace}-${parent}-01` })
  await until('spans', async () => spans().some(({ name }) => name === 'store') || undefined)
  const [message] = collector.heard
  expect(message?.headers['content-type']).toBe('application/json')
  expect(message?.json.resourceSpans[0].resource.attributes).toContainEqual({
    key: 'service.name',
    value: { stringValue: 'ra' },
  })
  const all = spans()
  expect(new Set(all.map(({ traceId }) => traceId))).toEqual(new Set([trace]))
  const finalize = all.find((span) => attribute(span, 'url.path')?.includes('/finalize'))
  if (!finalize) throw new Error('finalize was not traced')
  expect(finalize).toMatchObject({ name: 'POST acme', kind: 2, parentSpanId: parent })
  expect(attribute(finalize, 'http.response.status_code')).toBe('200')
  for (const stage of ['policy', 'record', 'sign', 'store'])
    expect(all.filter(({ name }) => name === stage)).toMatchObject([{ parentSpanId: finalize.spanId, kind: 1 }])
  const [validation] = all.filter(({ name }) => name === 'http-01')
  if (!validation) throw new Error('the validation was not traced')
  expect(validation.kind).toBe(3)
  expect(attribute(validation, 'countersign.identifier')).toBe('traced.localhost')
  const above = all.find(({ spanId }) => spanId === validation.parentSpanId)
  expect(above && attribute(above, 'url.path')).toMatch(/chall/)
  expect(all.some((span) => attribute(span, 'url.path') === '/readyz')).toBe(false)
})

test('a stranger joins no trace, and a collector that fails costs no order', async () => {
  await start({})
  collector.heard.length = 0
  collector.answer = 500
  await order('stranger.localhost', { traceparent: `00-${trace}-${parent}-01` })
  await until('spans', async () => spans().length > 0 || undefined)
  expect(spans().filter(({ traceId, parentSpanId }) => traceId === trace || parentSpanId === parent)).toEqual([])
  await until('failures', async () => {
    const text = await (await fetch(`${server.httpUrl}/metrics`)).text()
    return Number(/^trace_spans_total\{outcome="failed"\} (\d+)/m.exec(text)?.[1]) > 0 || undefined
  })
  await until('the log says it', async () => server.output().stderr.includes('traces could not be sent') || undefined)
})

test('an endpoint that is none is told at the start', async () => {
  await expect(startServer({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'nowhere' } })).rejects.toThrow(
    /OTEL_EXPORTER_OTLP_ENDPOINT: must be a URL/,
  )
})
