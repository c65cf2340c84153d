import { ConfigError } from '../config.ts'
import { VERSION } from '../protocol.ts'

/** Where traces go, and which are kept; by the variables of OpenTelemetry. */
export interface TraceConfig {
  /** Of the collector, for OTLP/HTTP in JSON. */
  url: string
  /** What the collector wants to see: may hold a token. */
  headers: Record<string, string>
  /** Of this service, beside its version and process. */
  resource: Record<string, string>
  /** Share of the traces that begin here, 0 to 1. */
  ratio: number
  /** Whether a proxy's own decision counts. */
  byParent: boolean
}

type Environment = Readonly<Record<string, string | undefined>>

const samplers: Record<string, (ratio: number) => Pick<TraceConfig, 'ratio' | 'byParent'>> = {
  always_on: () => ({ ratio: 1, byParent: false }),
  always_off: () => ({ ratio: 0, byParent: false }),
  traceidratio: (ratio) => ({ ratio, byParent: false }),
  parentbased_always_on: () => ({ ratio: 1, byParent: true }),
  parentbased_always_off: () => ({ ratio: 0, byParent: true }),
  parentbased_traceidratio: (ratio) => ({ ratio, byParent: true }),
}

/** Undefined, and so no traces, unless an endpoint is set. Throws ConfigError with a line for each variable that is wrong; it never repeats a header. */
export function readTraceConfig(env: Environment): TraceConfig | undefined {
  const own = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT
  const endpoint = own || env.OTEL_EXPORTER_OTLP_ENDPOINT
  if (!endpoint || env.OTEL_SDK_DISABLED?.toLowerCase() === 'true') return undefined
  const problems: string[] = []
  const complain = (name: string, what: string) => {
    problems.push(`${name}: ${what}`)
    return undefined
  }
  const url = collector(endpoint, own ? '' : '/v1/traces')
  if (url === undefined)
    complain(
      own ? 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT' : 'OTEL_EXPORTER_OTLP_ENDPOINT',
      'must be a URL of http or https without a password, such as http://127.0.0.1:4318',
    )
  const form = env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL || env.OTEL_EXPORTER_OTLP_PROTOCOL
  if (form && form !== 'http/json') complain('OTEL_EXPORTER_OTLP_PROTOCOL', 'only http/json is spoken')
  const ratio = Number(env.OTEL_TRACES_SAMPLER_ARG || '1')
  if (!(ratio >= 0 && ratio <= 1)) complain('OTEL_TRACES_SAMPLER_ARG', 'must be a number from 0 to 1')
  const sampler = samplers[env.OTEL_TRACES_SAMPLER || 'parentbased_always_on']
  if (!sampler) complain('OTEL_TRACES_SAMPLER', `must be one of ${Object.keys(samplers).join(', ')}`)
  const lists = (name: string) => readPairs(env[name] ?? '') ?? complain(name, 'must be name=value,name=value') ?? {}
  const headers = lists('OTEL_EXPORTER_OTLP_HEADERS')
  for (const [name, value] of Object.entries(headers))
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name) || !/^[\x20-\x7e]*$/.test(value))
      complain('OTEL_EXPORTER_OTLP_HEADERS', 'has a name or a value that no header can have')
  const attributes = lists('OTEL_RESOURCE_ATTRIBUTES')
  if (problems.length > 0 || url === undefined || !sampler) throw new ConfigError(problems.join('\n'))
  const name = env.OTEL_SERVICE_NAME || attributes['service.name'] || 'countersign'
  return {
    url,
    headers,
    resource: { ...attributes, 'service.name': name, 'service.version': VERSION },
    ...sampler(ratio),
  }
}

function collector(text: string, path: string): string | undefined {
  try {
    const url = new URL(text)
    if (!/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '' || url.hash !== '')
      return undefined
    return `${url.origin}${url.pathname.replace(/\/+$/, '')}${path}${url.search}`
  } catch {
    return undefined
  }
}

/** Pairs as OpenTelemetry writes them: percent-encoded, with commas between. */
function readPairs(text: string): Record<string, string> | undefined {
  const pairs: [string, string][] = []
  for (const pair of text.split(',')) {
    if (pair.trim() === '') continue
    const at = pair.indexOf('=')
    if (at < 1) return undefined
    try {
      pairs.push([pair.slice(0, at).trim(), decodeURIComponent(pair.slice(at + 1).trim())])
    } catch {
      return undefined
    }
  }
  return Object.fromEntries(pairs)
}
