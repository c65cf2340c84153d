import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { refuseAnswered, startOperationsSocket } from './cli/socket.ts'
import { type Composition, compose } from './compose.ts'
import { type BaseUrls, baseUrlsOf, isLoopback } from './config/baseUrls.ts'
import type { Config } from './config.ts'
import { enqueueJob, type JobHandlers, releaseLeases } from './core/jobs.ts'
import { system } from './core/requester.ts'
import { watchDatabase } from './core/upkeep/databaseWatch.ts'
import { firstStart, hasStarted } from './core/upkeep/firstStart.ts'
import { endUpkeep } from './core/upkeep/handBack.ts'
import { isGood, ownAuthority, ownTls, rootsOf } from './core/upkeep/ownTls.ts'
import { canIssue } from './core/upkeep/ready.ts'
import { endLeases } from './core/upkeep/resume.ts'
import { startUpkeep } from './core/upkeep/upkeep.ts'
import { claimFolder } from './disk/claim.ts'
import { refuseLostDatabase, refuseOtherDatabase } from './disk/lostDatabase.ts'
import { asPlaceFailure, requirePlaces } from './disk/refusals.ts'
import { clientCertificateReader } from './http/clientCertificate.ts'
import { type SourceAddress, sourceAddressReader } from './http/sourceAddress.ts'
import { keyFileWatch } from './key/keyFileWatch.ts'
import type { Log } from './log.ts'
import { createMetrics } from './metrics.ts'
import { pemEncode } from './pki/pem.ts'
import type { Chore, Host, Protocol } from './protocol.ts'
import { createCrlPublisher } from './reach/crlPublisher.ts'
import { discoveryUpkeep } from './reach/discoveryReach.ts'
import { inventoryUpkeep } from './reach/locationDelivery.ts'
import { webhookUpkeep } from './reach/webhookCourier.ts'
import { greet } from './server/greeting.ts'
import { checkOptions, optionWarnings, profileProtocols } from './server/profileOptions.ts'
import { createServer, type Server } from './server.ts'
import { countLifetimes } from './telemetry/lifetimeMetrics.ts'
import { exposeState } from './telemetry/stateMetrics.ts'
import { exposeTallies } from './telemetry/talliedMetrics.ts'
import type { TraceConfig } from './telemetry/traceConfig.ts'
import type { Traces, TracesOptions } from './telemetry/traces.ts'

/** Milliseconds for which a command that works on the database, or a server that ends, is waited for at the start. */
const PATIENCE = 10_000

export interface RunningServer {
  /** What to print. */
  greeting: string
  stop(): Promise<void>
}

/**
 * Listens, opens the database, makes what a first start makes, and serves. Rejects, with everything closed again, when
 * that cannot be.
 */
export async function startServer(
  config: Config,
  protocols: Protocol[],
  log: Log,
  traceConfig?: TraceConfig,
): Promise<RunningServer> {
  const sourceAddress = sourceAddressReader(config.trustedProxies)
  const metrics = createMetrics()
  const { stopDelay, drainTime } = config.overload
  const limits = { drainTimeout: drainTime }
  const traces = await keepTraces(traceConfig, { trustedProxies: config.trustedProxies, log, metrics })
  const server = createServer({ ...config, protocols, log, metrics, sourceAddress, limits, ...traces })
  const closing: (() => Promise<void>)[] = []
  try {
    const ports = await server.listen()
    closing.unshift(() => server.close())
    const urls = baseUrlsOf(config, ports)
    requirePlaces(config)
    const claim = await claimFolder(config.dataFolder)
    closing.push(async () => claim.release())
    await refuseAnswered(config.dataFolder)
    refuseLostDatabase(config)
    const composition = await compose({ ...config, ...urls, patience: PATIENCE }, log, checkOptions(protocols))
    closing.splice(-1, 0, composition.close)
    if (traces.traces) {
      composition.it.trace = traces.traces.stage
      closing.splice(-1, 0, traces.traces.close)
    }
    exposeTallies(metrics, composition.it.db)
    exposeState(metrics, composition.it)
    countLifetimes(metrics, composition.it)
    const greeting = await open({
      config,
      urls,
      composition,
      protocols,
      log,
      closing,
      server,
      sourceAddress,
      ...traces,
    })
    const stop = async () => {
      server.announceEnd()
      await delay(stopDelay)
      await closeAll(closing)
    }
    return { greeting, stop }
  } catch (error) {
    await closeAll(closing)
    throw asPlaceFailure(error, config)
  }
}

/** Read only where traces are kept. */
async function keepTraces(
  config: TraceConfig | undefined,
  more: Omit<TracesOptions, 'config'>,
): Promise<{ traces?: Traces }> {
  return config ? { traces: (await import('./telemetry/traces.ts')).createTraces({ config, ...more }) } : {}
}

interface Opening {
  config: Config
  urls: BaseUrls
  composition: Composition
  protocols: Protocol[]
  log: Log
  server: Server
  sourceAddress: SourceAddress
  traces?: Traces
  /** What to close again, in this order: listeners, upkeep, database. */
  closing: (() => Promise<void>)[]
}

async function open(opening: Opening): Promise<string> {
  const { config, urls, composition, protocols, log, closing, server } = opening
  const { it, core } = composition
  const socket = await startOperationsSocket({ core, it, config })
  closing.unshift(() => socket.close())
  if (it.db.dialect === 'sqlite') {
    // Nobody else works on this file (src/db/hold.ts): what the last process held is free.
    await endLeases(it)
    await releaseLeases(it.db)
  }
  if (!(await hasStarted(it.db))) refuseOtherDatabase(config)
  const names = profileProtocols(protocols).map(({ name }) => name)
  const started = await firstStart(it, { protocols: names })
  const authority = await ownAuthority(it)
  if (authority === undefined) throw new Error('no authority signs here: the server can have no certificate for itself')
  const hosts = ownHosts(config, urls)
  let tls = await ownTls(it, authority, hosts)
  const hostOf = hosting(opening)
  const database = watchDatabase(it)
  const roots = await rootsOf(it, authority)
  writeRoots(config, roots)
  server.open({ host: hostOf, tls, ready: async () => database.takesWrites() && (await canIssue(it)) })
  const renewTls = async () => {
    if (await isGood(it, authority, tls)) return
    tls = await ownTls(it, authority, hosts)
    server.setCertificate(tls)
    writeRoots(config, await rootsOf(it, authority))
    log.info({ renewAt: tls.renewAt }, 'the certificate of the listeners was renewed')
  }
  const more = [{ name: 'renew the TLS certificate', every: 60_000, run: renewTls }, ...choresOf(protocols, hostOf)]
  more.push(...publishing(opening), ...keyFileWatch(it, config), database.chore)
  const inventory = inventoryUpkeep(it, config.locationFolder)
  more.push(...inventory.chores, ...webhookUpkeep(it), ...discoveryUpkeep(it, closing))
  const upkeep = startUpkeep(it, { handlers: { ...handlersOf(opening, hostOf), ...inventory.handlers }, more })
  closing.splice(closing.indexOf(composition.close), 0, () => endUpkeep(it, upkeep, config.overload.drainTime))
  void warnOfSurroundings(opening)
  await warnOfProfiles(opening)
  return greeting(opening, roots, started?.setupSecret)
}

/** While the server already serves: what is looked at may be slow to answer. */
async function warnOfSurroundings({ protocols, config, log }: Opening): Promise<void> {
  for (const { name: protocol, examine } of protocols) {
    for (const { name, state, detail } of (await examine?.(config.validation)) ?? [])
      if (state !== 'ok') log.warn({ protocol, check: name }, detail)
  }
}

async function warnOfProfiles({ protocols, composition, log }: Opening): Promise<void> {
  for (const profile of await composition.core.as(system('start')).admin.profiles())
    for (const detail of optionWarnings(protocols, profile.protocols)) log.warn({ profile: profile.name }, detail)
}

async function closeAll(closing: (() => Promise<void>)[]): Promise<void> {
  for (const close of closing.splice(0)) await close()
}

/** One Host for each protocol, made when it is first asked for. */
function hosting({
  config,
  urls,
  composition,
  protocols,
  log,
  sourceAddress,
  traces,
}: Opening): (protocol: Protocol) => Host {
  const { it, core } = composition
  const { trustedProxies: trusted, clientCertificateHeader: header } = config
  const clientCertificate = clientCertificateReader({ trusted, header })
  const hosts = new Map<string, Host>()
  const hostOf = ({ name }: Protocol): Host => {
    const known = hosts.get(name)
    if (known) return known
    const host: Host = {
      core,
      db: it.db,
      enqueue: (db, kind, ref, options = {}) => {
        const at = it.clock()
        traces?.enqueued(kind, ref)
        return enqueueJob(db, { kind, ref, runAt: options.runAt ?? at, at })
      },
      ...urls,
      clock: it.clock,
      log: log.child({ protocol: name }),
      validation: config.validation,
      secret: composition.secretFor(`protocol ${name}`),
      sourceAddress,
      clientCertificate,
      ...(traces ? { traced: traces.traced } : {}),
      accounts: (wanted) => {
        const protocol = protocols.find(({ name }) => name === wanted)
        return protocol?.accounts?.(hostOf(protocol))
      },
    }
    hosts.set(name, host)
    return host
  }
  return hostOf
}

function handlersOf({ protocols, traces }: Opening, hostOf: (protocol: Protocol) => Host): JobHandlers {
  const handlers: JobHandlers = {}
  for (const protocol of protocols) {
    for (const [kind, run] of Object.entries(protocol.jobs ?? {})) {
      const runHere = (ref: string) => run(hostOf(protocol), ref)
      handlers[kind] = traces ? (ref) => traces.job(kind, ref, () => runHere(ref)) : runHere
    }
  }
  return handlers
}

/** CRLs as files of this host, or by a command on it. */
function publishing({ config, composition, closing }: Opening): Chore[] {
  const { publication, dataFolder } = config
  if (!publication) return []
  const publisher = createCrlPublisher(composition.it, { ...publication, dataFolder })
  closing.unshift(async () => publisher.stop())
  return [{ name: 'publish CRLs', every: 30_000, run: () => publisher.run() }]
}

function choresOf(protocols: Protocol[], hostOf: (protocol: Protocol) => Host): Chore[] {
  return protocols.flatMap((protocol) => protocol.chores?.(hostOf(protocol)) ?? [])
}

/** The names in the server's own certificate: those of its URLs, and those of loopback when it listens there. */
function ownHosts(config: Config, { baseUrl, mtlsBaseUrl }: BaseUrls): string[] {
  const names = [baseUrl, mtlsBaseUrl].map((url) => new URL(url).hostname.replace(/^\[|\]$/g, ''))
  const local = isLoopback(config.listen.address) ? ['localhost', '127.0.0.1', '::1'] : []
  return [...new Set([...names, ...local])]
}

/** What to trust: after a rollover of the root the one before it too, as long as it is good. */
function writeRoots(config: Config, roots: Buffer[]): void {
  writeFileSync(rootFile(config), roots.map((root) => pemEncode('CERTIFICATE', root)).join(''))
  chmodSync(rootFile(config), 0o644)
}

const rootFile = ({ dataFolder }: Config) => join(dataFolder, 'root.pem')

function greeting({ config, urls }: Opening, roots: Buffer[], setupSecret: string | undefined): string {
  const [root] = roots
  if (!root) return ''
  return greet({
    root,
    rootFile: rootFile(config),
    ...urls,
    http01Port: config.validation.http01Port,
    ...(setupSecret === undefined ? {} : { setupSecret }),
    loopback: config.validation.networks.split(',').includes('loopback'),
    privileged: process.getuid?.() === 0,
  })
}
