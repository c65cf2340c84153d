import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from './bundle.ts'
import { databases } from './databases.ts'
import { freePorts } from './ports.ts'
import { type RunningProgram, start, succeed } from './program.ts'
import { type ServerProcess, startServer } from './serverProcess.ts'
import { until } from './until.ts'

/** What the balancer's own connections come from: another address of this machine than the clients'. */
const PROXY = '127.0.0.2'

/** Two nodes on one PostgreSQL behind a balancer, which runs the configuration of docs/operate/nodes.md. */
export interface Balanced {
  nodes: [ServerProcess, ServerProcess]
  /** Of the first node, with the balancer's URLs. */
  front: ServerProcess
  close(): Promise<void>
}

interface Front {
  https: number
  http: number
  mtls: number
}

export async function startBalanced(kind: 'nginx' | 'haproxy'): Promise<Balanced> {
  const postgres = await databases.find(({ name }) => name === 'postgres')?.openEmpty()
  if (!postgres) throw new Error('no PostgreSQL')
  const folder = mkdtempSync(join(tmpdir(), 'countersign-balancer-'))
  const [https = 0, http = 0, mtls = 0, http01 = 0] = await freePorts(4)
  const ports: Front = { https, http, mtls }
  const env = {
    COUNTERSIGN_KEY_SECRET: 'the same on all nodes, and long enough',
    COUNTERSIGN_BASE_URL: `https://localhost:${https}`,
    COUNTERSIGN_MTLS_BASE_URL: `https://localhost:${mtls}`,
    COUNTERSIGN_HTTP_BASE_URL: `http://localhost:${http}`,
    COUNTERSIGN_TRUSTED_PROXIES: PROXY,
    COUNTERSIGN_VALIDATION_NETWORKS: 'loopback',
    COUNTERSIGN_HTTP01_PORT: String(http01),
  }
  // Both at once, on an empty database.
  const launch = () => startServer({ databaseUrl: postgres.url, env })
  const nodes = await Promise.all([launch(), launch()])
  const trust = await frontCertificate(folder, nodes[0].rootPem)
  const place = { folder, ports, nodes, root: nodes[0].rootPem }
  const balancer = kind === 'nginx' ? startNginx(place) : startHaproxy(place)
  await until(kind, async () => (await answers(ports.http)) || undefined)
  return {
    nodes,
    front: {
      ...nodes[0],
      baseUrl: env.COUNTERSIGN_BASE_URL,
      mtlsBaseUrl: env.COUNTERSIGN_MTLS_BASE_URL,
      httpUrl: env.COUNTERSIGN_HTTP_BASE_URL,
      directory: `${env.COUNTERSIGN_BASE_URL}/acme/default/directory`,
      http01Port: http01,
      rootPem: trust,
    },
    async close() {
      balancer.child.kill('SIGTERM')
      await balancer.ended
      await Promise.all(nodes.map((node) => node.stop()))
      await postgres.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function answers(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://localhost:${port}/readyz`)).status === 200
  } catch {
    return false
  }
}

/** The balancer's own, from nobody; answers a file with all that clients trust. */
async function frontCertificate(folder: string, rootPem: string): Promise<string> {
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  const files = ['-keyout', 'front.key', '-out', 'front.pem']
  await succeed('openssl', ['req', '-x509', ...made, ...names, ...files], { cwd: folder })
  const read = (file: string) => readFileSync(file, 'utf8')
  const certificate = read(join(folder, 'front.pem'))
  writeFileSync(join(folder, 'both.pem'), `${certificate}${read(join(folder, 'front.key'))}`)
  writeFileSync(join(folder, 'trust.pem'), `${read(rootPem)}${certificate}`)
  return join(folder, 'trust.pem')
}

interface Place {
  folder: string
  ports: Front
  nodes: readonly [ServerProcess, ServerProcess]
  root: string
}

/** The block of the documentation, with this machine's addresses. Each must stand in it. */
function documented(language: string, changes: readonly (readonly [string, string])[]): string {
  const page = readFileSync(join(root, 'docs/operate/nodes.md'), 'utf8')
  let text = new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 's').exec(page)?.[1] ?? ''
  for (const [from, to] of changes) {
    if (!text.includes(from)) throw new Error(`docs/operate/nodes.md has no ${from} in its ${language}`)
    text = text.replaceAll(from, to)
  }
  return text
}

function addresses(nodes: Place['nodes'], kinds: ('https' | 'http' | 'mtls')[]): (readonly [string, string])[] {
  const documentedPorts = { https: 8443, http: 8080, mtls: 9443 }
  return nodes.flatMap(({ baseUrl, httpUrl, mtlsBaseUrl }, at) => {
    const urls = { https: baseUrl, http: httpUrl, mtls: mtlsBaseUrl }
    return kinds.map(
      (kind) => [`10.0.0.1${at + 1}:${documentedPorts[kind]}`, `127.0.0.1:${new URL(urls[kind]).port}`] as const,
    )
  })
}

function startNginx({ folder, ports, nodes, root }: Place): RunningProgram {
  const http = documented('nginx', [
    ...addresses(nodes, ['https', 'http']),
    ['listen 443 ssl', `listen 127.0.0.1:${ports.https} ssl`],
    ['listen 80;', `listen 127.0.0.1:${ports.http};`],
    ['/etc/nginx/countersign-root.pem', root],
    ['/etc/nginx/ca.example.org.pem', join(folder, 'front.pem')],
    ['/etc/nginx/ca.example.org.key', join(folder, 'front.key')],
    ['ca.example.org', 'localhost'],
  ])
  const own = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/${kind};`)
  const file = join(folder, 'nginx.conf')
  writeFileSync(
    file,
    `daemon off; pid ${folder}/nginx.pid; error_log ${folder}/nginx.log info; worker_processes 1;
     events {} http { access_log off; proxy_bind ${PROXY}; ${own.join(' ')}\n${http}\n}`,
  )
  return start('nginx', ['-c', file, '-e', join(folder, 'nginx.log'), '-p', folder], { timeout: 600_000 })
}

function startHaproxy({ folder, ports, nodes, root }: Place): RunningProgram {
  const text = documented('haproxy', [
    ...addresses(nodes, ['https', 'http', 'mtls']),
    ['bind :443 ', `bind 127.0.0.1:${ports.https} `],
    ['bind :80\n', `bind 127.0.0.1:${ports.http}\n`],
    ['bind :9443\n', `bind 127.0.0.1:${ports.mtls}\n`],
    ['/etc/haproxy/countersign-root.pem', root],
    ['/etc/haproxy/ca.example.org.pem', join(folder, 'both.pem')],
    ['ca.example.org', 'localhost'],
    ['defaults\n', `defaults\n  source ${PROXY}\n`],
  ])
  const file = join(folder, 'haproxy.cfg')
  writeFileSync(file, text)
  return start('haproxy', ['-db', '-f', file], { timeout: 600_000 })
}
