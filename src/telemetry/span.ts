import { randomBytes } from 'node:crypto'

/** Part of a trace that is under way. */
export interface Span {
  /** 32 and 16 lower-case hex digits. */
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  kind: 'internal' | 'server' | 'client'
  /** performance.now(). */
  began: number
  attributes: Record<string, string | number>
}

export interface EndedSpan extends Span {
  ended: number
  failed: boolean
}

/** What came before, in this process or in front of it. */
export interface SpanParent {
  traceId: string
  spanId: string
}

export function newSpan(name: string, kind: Span['kind'], began: number, parent?: SpanParent): Span {
  const spanId = randomHex(8)
  const attributes = {}
  if (!parent) return { traceId: randomHex(16), spanId, name, kind, began, attributes }
  return { traceId: parent.traceId, spanId, parentSpanId: parent.spanId, name, kind, began, attributes }
}

let random = Buffer.alloc(0)
let used = 0

/** Asking the system each time costs more than all else about a span. */
function randomHex(octets: number): string {
  if (used + octets > random.length) {
    random = randomBytes(4_096)
    used = 0
  }
  used += octets
  return random.toString('hex', used - octets, used)
}

/** Reads the header traceparent (W3C Trace Context section 3.2). Undefined for one that cannot be read. */
export function readTraceparent(
  header: string | string[] | undefined,
): (SpanParent & { sampled: boolean }) | undefined {
  if (typeof header !== 'string' || header.length > 200) return undefined
  const [, version = '', traceId = '', spanId = '', flags = '', more = ''] =
    /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(header) ?? []
  if (version === '' || version === 'ff' || (version === '00' && more !== '')) return undefined
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

const kinds = { internal: 1, server: 2, client: 3 } as const
const ERROR = 2

/** An ExportTraceServiceRequest in the JSON of OTLP (opentelemetry-proto 1.x: ids in hex, enums as numbers, 64-bit integers as text). */
export function otlpJson(spans: readonly EndedSpan[], resource: Readonly<Record<string, string>>): string {
  const scopeSpans = [{ scope: { name: 'countersign' }, spans: spans.map(spanJson) }]
  return JSON.stringify({ resourceSpans: [{ resource: { attributes: attributesJson(resource) }, scopeSpans }] })
}

function spanJson({ traceId, spanId, parentSpanId, name, kind, began, ended, failed, attributes }: EndedSpan) {
  return {
    traceId,
    spanId,
    ...(parentSpanId === undefined ? {} : { parentSpanId }),
    name,
    kind: kinds[kind],
    startTimeUnixNano: nanoseconds(began),
    endTimeUnixNano: nanoseconds(ended),
    attributes: attributesJson(attributes),
    status: failed ? { code: ERROR } : {},
  }
}

function attributesJson(attributes: Readonly<Record<string, string | number>>) {
  return Object.entries(attributes).map(([key, value]) => ({
    key,
    value: typeof value === 'number' ? { intValue: String(Math.round(value)) } : { stringValue: value },
  }))
}

function nanoseconds(at: number): string {
  return String(BigInt(Math.round((performance.timeOrigin + at) * 1_000)) * 1_000n)
}
