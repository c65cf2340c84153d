import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDeadline } from '../../protocols/acme/deadline.ts'
import { createDnsClient } from '../../protocols/acme/dnsClient.ts'
import { freePorts } from './ports.ts'
import { start, succeed } from './program.ts'
import { until } from './until.ts'

/** A zone of the private DNS tree below; the name of the root is empty. */
export interface SignedZone {
  /** Without a trailing dot. */
  name: string
  /** Lines of a zone file, names relative to the zone. SOA and NS are added. */
  records: string[]
  /** Signed with a key of its own. */
  signed?: boolean
  /** The zone above says so (DS): only then a resolver can and must validate. */
  secure?: boolean
  /** Changes the text of the signed zone, as whoever stands in the way would. */
  tamper?: (text: string) => string
}

export interface Unbound {
  /** 'address:port'. */
  address: string
  port: number
  stop(): Promise<void>
}

export interface UnboundOptions {
  /** Default true. */
  validates?: boolean
  /** A free one, unless a stopped one is to be followed. */
  port?: number
}

/** Where Debian keeps it. */
const PATH = `${process.env.PATH}:/usr/sbin`

/**
 * Debian's unbound over a DNS tree of the test's own, signed by ldns-signzone, with the root's key as its trust anchor. Nothing is asked of
 * the world outside. `validates: false` takes its validator away.
 */
export async function startUnbound(zones: SignedZone[], options: UnboundOptions = {}): Promise<Unbound> {
  const { validates = true } = options
  const folder = mkdtempSync(join(tmpdir(), 'unbound-'))
  const [root, ...others] = zones
  if (root?.name !== '') throw new Error('the first zone is the root')
  const delegations: string[] = []
  for (const zone of others) delegations.push(`${zone.name}. NS ns.invalid.`, ...(await writeZone(folder, zone)))
  await writeZone(folder, { ...root, signed: true, records: [...root.records, ...delegations] })
  const [port = 0] = options.port === undefined ? await freePorts(1) : [options.port]
  const file = join(folder, 'unbound.conf')
  writeFileSync(file, configuration({ folder, port, validates, zones }))
  const program = start('unbound', ['-d', '-c', file], { env: { PATH }, timeout: 3_600_000 })
  const stop = async () => {
    program.child.kill('SIGTERM')
    await program.ended.catch(() => undefined)
    rmSync(folder, { recursive: true, force: true })
  }
  const address = `127.0.0.1:${port}`
  try {
    await until(`an answer of unbound: ${program.output().stderr}`, () => answers(address), { within: 20_000 })
  } catch (error) {
    const { stderr } = program.output()
    await stop()
    throw new Error(stderr, { cause: error })
  }
  return { address, port, stop }
}

async function answers(address: string): Promise<true | undefined> {
  const deadline = createDeadline(500)
  try {
    await createDnsClient(address, 500).ask('', 6, deadline)
    return true
  } catch {
    return undefined
  } finally {
    deadline.close()
  }
}

/** Answers the DS records of the zone, if it has any. */
async function writeZone(folder: string, { name, records, signed, secure, tamper }: SignedZone): Promise<string[]> {
  const plain = join(folder, 'zone')
  const origin = `${name}.`
  const head = [
    `$ORIGIN ${origin}`,
    '$TTL 60',
    '@ SOA ns.invalid. hostmaster.invalid. 1 3600 600 86400 60',
    '@ NS ns.invalid.',
  ]
  const text = `${[...head, ...records].join('\n')}\n`
  if (!signed) {
    writeFileSync(zoneFile(folder, name), text)
    return []
  }
  writeFileSync(plain, text)
  const keys = join(folder, `key-${name}`)
  mkdirSync(keys)
  const key = (await succeed('ldns-keygen', ['-k', '-a', 'ECDSAP256SHA256', origin], { cwd: keys })).trim()
  await succeed('ldns-signzone', ['-n', '-o', origin, '-f', zoneFile(folder, name), plain, join(keys, key)])
  if (tamper) writeFileSync(zoneFile(folder, name), tamper(readFileSync(zoneFile(folder, name), 'utf8')))
  writeFileSync(join(folder, `key-${name}.key`), readFileSync(join(keys, `${key}.key`)))
  return secure ? [await succeed('ldns-key2ds', ['-n', '-2', join(keys, `${key}.key`)])] : []
}

function zoneFile(folder: string, name: string): string {
  return join(folder, `zone-${name || 'root'}`)
}

interface Configuration {
  folder: string
  port: number
  validates: boolean
  zones: SignedZone[]
}

function configuration({ folder, port, validates, zones }: Configuration): string {
  const server = [
    `interface: 127.0.0.1@${port}`,
    'username: ""',
    'chroot: ""',
    'pidfile: ""',
    `directory: "${folder}"`,
    'use-syslog: no',
    // Names of ours that unbound would otherwise answer itself.
    'local-zone: "test." nodefault',
    `module-config: "${validates ? 'validator ' : ''}iterator"`,
    ...(validates ? [`trust-anchor-file: "${join(folder, 'key-.key')}"`] : []),
  ]
  const zone = ({ name }: SignedZone) => [
    'auth-zone:',
    `  name: "${name}."`,
    `  zonefile: "${zoneFile(folder, name)}"`,
    '  for-downstream: no',
    '  for-upstream: yes',
    '  fallback-enabled: no',
  ]
  return [
    'server:',
    ...server.map((line) => `  ${line}`),
    ...zones.flatMap(zone),
    'remote-control:',
    '  control-enable: no',
    '',
  ].join('\n')
}
