import { mkdirSync, readFileSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { freePorts } from '../helpers/ports.ts'
import { type Contestant, launch, type Surroundings } from './contestant.ts'

interface Options {
  name: string
  /** Path of the bundle's main.js. */
  entry: string
  /** For node itself, before the entry. */
  nodeArgs?: string[]
  /** Settings beside the ports and the resolver. */
  env?: Record<string, string>
}

export interface Countersign extends Contestant {
  pid: number
  httpPort: number
  /** Settings with which another node is known to clients by the same addresses. */
  addresses: Record<string, string>
  /** What /metrics says. */
  metrics(): Promise<string>
}

/** Countersign as it is by default: SQLite with synchronous=FULL, access log, policy, rules, audit. Only ports and the resolver are set. */
export async function startCountersign(options: Options, around: Surroundings): Promise<Countersign> {
  const folder = join(around.folder, options.name.replaceAll('/', '_'))
  mkdirSync(folder)
  const data = join(folder, 'data')
  const [https = 0, mtls = 0, http = 0] = await freePorts(3)
  const { pid, stop } = await launch({
    program: process.execPath,
    args: [...(options.nodeArgs ?? []), options.entry],
    cwd: folder,
    env: {
      COUNTERSIGN_DATA: data,
      COUNTERSIGN_HTTPS_PORT: String(https),
      COUNTERSIGN_MTLS_PORT: String(mtls),
      COUNTERSIGN_HTTP_PORT: String(http),
      COUNTERSIGN_HTTP01_PORT: String(around.http01Port),
      COUNTERSIGN_RESOLVER: around.resolver,
      ...options.env,
    },
    // The root is written before the greeting, which may come after the first answer.
    ready: async () =>
      (await ask(http, '/readyz')).status === 200 &&
      readFileSync(join(folder, 'output.log'), 'utf8').includes('ACME directory'),
  })
  const baseUrl = `https://localhost:${https}`
  const metrics = async () => (await ask(http, '/metrics')).text
  return {
    name: options.name,
    pid,
    nodes: [{ pid, baseUrl }],
    directory: `${baseUrl}/acme/default/directory`,
    ca: readFileSync(join(data, 'root.pem'), 'utf8'),
    httpPort: http,
    addresses: {
      COUNTERSIGN_BASE_URL: baseUrl,
      COUNTERSIGN_MTLS_BASE_URL: `https://localhost:${mtls}`,
      COUNTERSIGN_HTTP_BASE_URL: `http://localhost:${http}`,
    },
    metrics,
    async database() {
      const text = await metrics()
      const statements = metricOf(text, 'database_statements_total')
      const commits = metricOf(text, 'database_commits_total')
      return statements === undefined || commits === undefined ? undefined : { statements, commits }
    },
    stop,
  }
}

/** The value of a metric without labels. */
export function metricOf(text: string, name: string): number | undefined {
  const [, value] = new RegExp(`^${name} (\\S+)$`, 'm').exec(text) ?? []
  return value === undefined ? undefined : Number(value)
}

function ask(port: number, path: string): Promise<{ status: number | undefined; text: string }> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, agent: false, timeout: 5_000 }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      response.once('end', () => resolve({ status: response.statusCode, text }))
    }).once('error', reject)
  })
}
