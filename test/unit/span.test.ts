import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import { ConfigError } from '../../src/config.ts'
import { newSpan, otlpJson, readTraceparent } from '../../src/telemetry/span.ts'
import { readTraceConfig } from '../../src/telemetry/traceConfig.ts'
import { createTraceExport } from '../../src/telemetry/traceExport.ts'

const trace = '4bf92f3577b34da6a3ce929d0e0e4736'
const parent = '00f067aa0ba902b7'

describe('traceparent, W3C Trace Context section 3.2', () => {
  test('is read with its flag', () => {
    expect(readTraceparent(`00-${trace}-${parent}-01`)).toEqual({ traceId: trace, spanId: parent, sampled: true })
    expect(readTraceparent(`00-${trace}-${parent}-00`)).toMatchObject({ sampled: false })
    expect(readTraceparent(`cc-${trace}-${parent}-01-what-the-future-brings`)).toMatchObject({ traceId: trace })
  })

  test.each([
    ['no trace', `00-${'0'.repeat(32)}-${parent}-01`],
    ['no span', `00-${trace}-${'0'.repeat(16)}-01`],
    ['capitals', `00-${trace.toUpperCase()}-${parent}-01`],
    ['the version that is forbidden', `ff-${trace}-${parent}-01`],
    ['more than version 00 has', `00-${trace}-${parent}-01-more`],
    ['nothing', ''],
  ])('is refused with %s', (_what, header) => {
    expect(readTraceparent(header)).toBe(undefined)
  })

  test('of any text is a trace or nothing', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 300 }), (header) => {
        const read = readTraceparent(header)
        if (read) expect(read.traceId).toMatch(/^[0-9a-f]{32}$/)
      }),
    )
    expect(readTraceparent([`00-${trace}-${parent}-01`])).toBe(undefined)
  })
})

describe('where traces go', () => {
  test('nowhere, unless an endpoint is set', () => {
    expect(readTraceConfig({})).toBe(undefined)
    expect(readTraceConfig({ OTEL_SERVICE_NAME: 'x' })).toBe(undefined)
    expect(readTraceConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318', OTEL_SDK_DISABLED: 'true' })).toBe(
      undefined,
    )
  })

  test('to the path for traces below the endpoint, or to the one that is for traces alone', () => {
    const url = (env: Record<string, string>) => readTraceConfig(env)?.url
    expect(url({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' })).toBe('http://127.0.0.1:4318/v1/traces')
    expect(url({ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://c.example/otlp/' })).toBe('https://c.example/otlp/v1/traces')
    expect(url({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://c.example/traces' })).toBe('https://c.example/traces')
    expect(
      readTraceConfig({
        OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318',
        OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20abc, x-tenant=one',
        OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
        OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
        OTEL_TRACES_SAMPLER_ARG: '0.25',
      }),
    ).toMatchObject({
      headers: { authorization: 'Bearer abc', 'x-tenant': 'one' },
      resource: { 'deployment.environment.name': 'test', 'service.name': 'countersign' },
      ratio: 0.25,
      byParent: true,
    })
  })

  test.each([
    ['a password in the URL', { OTEL_EXPORTER_OTLP_ENDPOINT: 'https://user:secret@c.example' }],
    ['another scheme', { OTEL_EXPORTER_OTLP_ENDPOINT: 'file:///etc/passwd' }],
    ['protobuf', { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf' }],
    ['an unknown sampler', { OTEL_TRACES_SAMPLER: 'sometimes' }],
    ['a share above one', { OTEL_TRACES_SAMPLER_ARG: '2' }],
    ['a header over two lines', { OTEL_EXPORTER_OTLP_HEADERS: 'authorization=secret%0d%0ax: y' }],
  ])('%s is refused, without repeating a secret', (_what, env) => {
    const read = () => readTraceConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318', ...env })
    expect(read).toThrow(ConfigError)
    expect(read).not.toThrow(/secret/)
  })
})

test('OTLP in JSON: ids in hex, kinds by number, nanoseconds as text', () => {
  const span = newSpan('sign', 'client', 10, { traceId: trace, spanId: parent })
  const ended = { ...span, ended: 12.5, failed: true, attributes: { 'countersign.protocol': 'acme', status: 200 } }
  const { resourceSpans } = JSON.parse(otlpJson([ended], { 'service.name': 'countersign' }))
  expect(resourceSpans[0].resource.attributes).toEqual([{ key: 'service.name', value: { stringValue: 'countersign' } }])
  const [told] = resourceSpans[0].scopeSpans[0].spans
  expect(told).toMatchObject({
    traceId: trace,
    spanId: expect.stringMatching(/^[0-9a-f]{16}$/),
    parentSpanId: parent,
    name: 'sign',
    kind: 3,
    status: { code: 2 },
    attributes: [
      { key: 'countersign.protocol', value: { stringValue: 'acme' } },
      { key: 'status', value: { intValue: '200' } },
    ],
  })
  expect(BigInt(told.endTimeUnixNano) - BigInt(told.startTimeUnixNano)).toBe(2_500_000n)
  expect(Math.abs(Number(BigInt(told.startTimeUnixNano) / 1_000_000n) - performance.timeOrigin - 10)).toBeLessThan(2)
})

test('a collector that hangs costs spans and nothing else: those beyond the bound are dropped, and counted', async () => {
  const server = createServer(() => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`
  const traces = createTraceExport(
    { url, headers: {}, resource: {}, ratio: 1, byParent: true },
    pino({ level: 'silent' }),
  )
  const connected = new Promise<void>((resolve) => server.once('connection', () => resolve()))
  const span = { ...newSpan('x', 'internal', 0), ended: 1, failed: false }
  for (let n = 0; n < 5_000; n++) traces.add(span)
  // One batch is on its way, and 4,096 wait.
  expect(traces.counts.dropped).toBe(5_000 - 512 - 4_096)
  await connected
  server.close()
  server.closeAllConnections()
  await traces.close()
  const { exported, dropped, failed } = traces.counts
  expect(exported).toBe(0)
  expect(failed).toBeGreaterThanOrEqual(512)
  expect(dropped + failed).toBe(5_000)
})
