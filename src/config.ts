import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { parseDocument } from 'yaml'
import { z } from 'zod'
import { type BaseUrls, isLoopback, isLoopbackUrl } from './config/baseUrls.ts'
import * as fields from './config/configFields.ts'
import { identitiesSection, identityConfig, type OidcConfig, oidcSection } from './config/identityConfig.ts'
import { type OverloadConfig, overloadKeys, overloadSection } from './config/overloadConfig.ts'
import type { IdentitySettings } from './core/identity/identitySettings.ts'
import type { ValidationConfig } from './protocol.ts'
import type { Publication } from './reach/crlPublisher.ts'

export interface ListenConfig {
  /** IP address. */
  address: string
  /** 0: any free port, known after listening. */
  httpsPort: number
  mtlsPort: number
  httpPort: number
}

export interface Config {
  /** Absolute path. */
  dataFolder: string
  /** postgres://… or the path of an SQLite file; absent: SQLite in the data folder. */
  databaseUrl?: string
  keySecret?: string
  listen: ListenConfig
  /** As configured; baseUrlsOf fills in the others. */
  baseUrls: Partial<BaseUrls>
  validation: ValidationConfig
  /** Where CRLs go beside HTTP (crlPublisher.ts). Absent: nowhere. */
  publication?: Publication
  /** The one folder below which locations of certificates may be. Absent: there are none of that kind. */
  locationFolder?: string
  /** The one folder below which certificates are looked for; absent: in no file of this host. */
  discoveryFolder?: string
  /** Where upstream CAs may be, in the notation of http/networks.ts; absent: where validation may reach. */
  upstreamNetworks?: string
  /** Puts TXT records into the DNS (compose.ts). Absent: nothing does. */
  dnsCommand?: readonly [string, ...string[]]
  /** Addresses and networks. */
  trustedProxies: string[]
  /** In lower case: where trusted proxies state the client certificate that they saw. Absent: nowhere. */
  clientCertificateHeader?: string
  /** How people and programs log in. */
  identity: IdentitySettings
  /** Absent: by no OpenID provider. */
  oidc?: OidcConfig
  metricsNetworks: string[]
  overload: OverloadConfig
  logLevel: LogLevel
  accessLog: boolean
}

/** A setting that cannot be used. The message names it, and what is wrong with it: it is for the administrator, without a stack. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

/** All settings by their key in the file; `validation.resolver` is `resolver` below `validation` there. */
const schema = z.strictObject({
  databaseUrl: fields.databaseUrl.optional(),
  keySecret: fields.secret.optional(),
  listen: fields.listenAddress.prefault('127.0.0.1'),
  httpsPort: fields.port(0).prefault(8443),
  mtlsPort: fields.port(0).prefault(9443),
  httpPort: fields.port(0).prefault(8080),
  baseUrl: fields.origin('https').optional(),
  mtlsBaseUrl: fields.origin('https').optional(),
  httpBaseUrl: fields.origin('http').optional(),
  trustedProxies: fields.networks.prefault([]),
  clientCertificateHeader: fields.headerName.optional(),
  metricsNetworks: fields.networks.prefault(['127.0.0.0/8', '::1']),
  logLevel: z.enum(logLevels, `must be one of ${logLevels.join(', ')}`).prefault('info'),
  accessLog: fields.flag.prefault(true),
  crlFolder: fields.absolutePath.optional(),
  locationFolder: fields.absolutePath.optional(),
  discoveryFolder: fields.absolutePath.optional(),
  upstreamNetworks: fields.validationNetworks.optional(),
  crlCommand: fields.command.optional(),
  dnsCommand: fields.command.optional(),
  identities: identitiesSection,
  oidc: oidcSection,
  overload: overloadSection,
  validation: z
    .strictObject({
      resolver: fields.resolver.optional(),
      resolverValidates: fields.flag.prefault(true),
      http01Port: fields.port(1).prefault(80),
      tlsAlpn01Port: fields.port(1).prefault(443),
      networks: fields.validationNetworks.optional(),
    })
    .prefault({}),
})

const keys = {
  DATABASE_URL: 'databaseUrl',
  COUNTERSIGN_KEY_SECRET: 'keySecret',
  COUNTERSIGN_LISTEN: 'listen',
  COUNTERSIGN_HTTPS_PORT: 'httpsPort',
  COUNTERSIGN_MTLS_PORT: 'mtlsPort',
  COUNTERSIGN_HTTP_PORT: 'httpPort',
  COUNTERSIGN_BASE_URL: 'baseUrl',
  COUNTERSIGN_MTLS_BASE_URL: 'mtlsBaseUrl',
  COUNTERSIGN_HTTP_BASE_URL: 'httpBaseUrl',
  COUNTERSIGN_TRUSTED_PROXIES: 'trustedProxies',
  COUNTERSIGN_CLIENT_CERTIFICATE_HEADER: 'clientCertificateHeader',
  COUNTERSIGN_METRICS_NETWORKS: 'metricsNetworks',
  COUNTERSIGN_LOG_LEVEL: 'logLevel',
  COUNTERSIGN_ACCESS_LOG: 'accessLog',
  COUNTERSIGN_CRL_FOLDER: 'crlFolder',
  COUNTERSIGN_LOCATION_FOLDER: 'locationFolder',
  COUNTERSIGN_DISCOVERY_FOLDER: 'discoveryFolder',
  COUNTERSIGN_UPSTREAM_NETWORKS: 'upstreamNetworks',
  COUNTERSIGN_CRL_COMMAND: 'crlCommand',
  COUNTERSIGN_DNS_COMMAND: 'dnsCommand',
  COUNTERSIGN_OIDC_CLIENT_SECRET: 'oidc.clientSecret',
  COUNTERSIGN_RESOLVER: 'validation.resolver',
  COUNTERSIGN_RESOLVER_VALIDATES: 'validation.resolverValidates',
  COUNTERSIGN_HTTP01_PORT: 'validation.http01Port',
  COUNTERSIGN_TLSALPN01_PORT: 'validation.tlsAlpn01Port',
  COUNTERSIGN_VALIDATION_NETWORKS: 'validation.networks',
  ...overloadKeys,
} as const

/** What says where things are, and so cannot stand in the file. */
const PATHS = ['COUNTERSIGN_DATA', 'COUNTERSIGN_CONFIG']
/** Kubernetes sets these in every pod beside a Service that is called countersign. */
const SERVICE_LINK = /^COUNTERSIGN_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)$/

export interface ConfigSources {
  env: Readonly<Record<string, string | undefined>>
  /** --config and --data, with a value each. */
  argv?: readonly string[]
  /** Text of a file; throws ENOENT where there is none. */
  readFile?: (path: string) => string
  /** COUNTERSIGN_ variables that others read. */
  otherVariables?: readonly string[]
}

/**
 * Reads all settings, once: flags before environment before file before default. An empty variable counts as absent.
 * Throws ConfigError with a line for each setting that is wrong or unknown; it never repeats a secret.
 */
export function readConfig(sources: ConfigSources): Config {
  const { env, readFile = (path) => readFileSync(path, 'utf8') } = sources
  const paths = readPaths(env, sources.argv ?? [])
  const { file, values } = readSettings(paths, readFile)
  const origins = new Map<string, string>()
  for (const [variable, key] of Object.entries(keys)) {
    const value = env[variable]
    if (!value) continue
    place(values, key, value)
    origins.set(key, variable)
  }
  const known = new Set([...Object.keys(keys), ...PATHS, ...(sources.otherVariables ?? [])])
  const strangers = Object.keys(env).filter(
    (name) => name.startsWith('COUNTERSIGN_') && !known.has(name) && !isServiceLink(name, env),
  )
  const parsed = schema.safeParse(values)
  const problems = [
    ...strangers.map((name) => `${name}: there is no such setting`),
    ...(parsed.error?.issues ?? []).flatMap((issue) => complaints(issue, origins, file)),
  ]
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems.join('\n'))
  return toConfig(parsed.data, paths.data)
}

function isServiceLink(name: string, env: ConfigSources['env']): boolean {
  return SERVICE_LINK.test(name) || (name === 'COUNTERSIGN_PORT' && /^(tcp|udp):\/\//.test(env[name] ?? ''))
}

interface Paths {
  data: string
  /** Named by flag or environment; it must exist. */
  named: string | undefined
}

function readPaths(env: ConfigSources['env'], argv: readonly string[]): Paths {
  try {
    const options = { config: { type: 'string' }, data: { type: 'string' } } as const
    const { values } = parseArgs({ args: [...argv], options, strict: true, allowPositionals: false })
    const named = values.config || env.COUNTERSIGN_CONFIG || undefined
    return {
      data: resolve(values.data || env.COUNTERSIGN_DATA || 'data'),
      named: named === undefined ? undefined : resolve(named),
    }
  } catch (error) {
    throw new ConfigError(error instanceof Error ? error.message : String(error))
  }
}

function readSettings({ data, named }: Paths, readFile: (path: string) => string) {
  const file = named ?? join(data, 'countersign.yaml')
  let text: string
  try {
    text = readFile(file)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT' && named === undefined) return { file, values: {} }
    throw new ConfigError(
      `${file}: ${code === 'ENOENT' ? 'there is no such file' : `cannot be read (${code ?? error})`}`,
    )
  }
  // What the library would only warn of, on the process's own channel, is told as a setting that there is none of.
  const document = parseDocument(text, { prettyErrors: true, logLevel: 'error' })
  const [broken] = document.errors
  // What follows the first line of the message repeats the text, which may hold a password.
  if (broken) throw new ConfigError(`${file}: ${broken.message.split('\n')[0]}`)
  const values: unknown = toValues(document, file) ?? {}
  if (!isRecord(values)) throw new ConfigError(`${file}: must hold settings, as "key: value"`)
  if ('keySecret' in values)
    throw new ConfigError(`keySecret in ${file}: a secret comes from COUNTERSIGN_KEY_SECRET only`)
  if (isRecord(values.oidc) && 'clientSecret' in values.oidc)
    throw new ConfigError(`oidc.clientSecret in ${file}: a secret comes from COUNTERSIGN_OIDC_CLIENT_SECRET only`)
  return { file, values }
}

function toValues(document: ReturnType<typeof parseDocument>, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 10 })
  } catch {
    throw new ConfigError(`${file}: has aliases that lead nowhere or too far`)
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function place(values: Record<string, unknown>, key: string, value: string): void {
  const [outer = '', inner] = key.split('.')
  if (inner === undefined) values[outer] = value
  else {
    // A section that is no map stays as it is: the schema complains about it.
    const section = values[outer] ?? {}
    if (isRecord(section)) values[outer] = { ...section, [inner]: value }
  }
}

function complaints(issue: z.core.$ZodIssue, origins: Map<string, string>, file: string): string[] {
  const path = issue.path.join('.')
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => `${path ? `${path}.` : ''}${key} in ${file}: there is no such setting`)
  const message = issue.code === 'invalid_type' ? 'must hold settings, as "key: value"' : issue.message
  return [`${origins.get(path) ?? `${path} in ${file}`}: ${message}`]
}

/** Those of the settings that are there. */
function given<S, K extends keyof S>(settings: S, names: readonly K[]): { [N in K]?: NonNullable<S[N]> } {
  const there = names.filter((name) => settings[name] !== undefined).map((name) => [name, settings[name]])
  return Object.fromEntries(there) as { [N in K]?: NonNullable<S[N]> }
}

function toConfig(settings: z.output<typeof schema>, dataFolder: string): Config {
  const { listen, httpsPort, mtlsPort, httpPort, validation, trustedProxies } = settings
  const baseUrls = given(settings, ['baseUrl', 'mtlsBaseUrl', 'httpBaseUrl'])
  // Nobody else can ask then, unless a proxy lets others in.
  const alone = isLoopback(listen) && trustedProxies.length === 0 && Object.values(baseUrls).every(isLoopbackUrl)
  const { resolver, networks = alone ? 'public,private,loopback' : 'public,private', ...ports } = validation
  return {
    dataFolder,
    ...given(settings, ['databaseUrl', 'keySecret']),
    listen: { address: listen, httpsPort, mtlsPort, httpPort },
    baseUrls,
    validation: { ...(resolver === undefined ? {} : { resolver }), ...ports, networks },
    ...publicationOf(settings),
    ...given(settings, ['locationFolder', 'discoveryFolder', 'upstreamNetworks', 'dnsCommand']),
    trustedProxies,
    ...headerOf(settings),
    ...identityConfig(settings),
    metricsNetworks: settings.metricsNetworks,
    overload: settings.overload,
    logLevel: settings.logLevel,
    accessLog: settings.accessLog,
  }
}

/** Without a proxy that is trusted nobody's word would count. */
function headerOf({ clientCertificateHeader: header, trustedProxies }: z.output<typeof schema>) {
  if (header === undefined) return {}
  if (trustedProxies.length === 0)
    throw new ConfigError('clientCertificateHeader: needs trustedProxies, whose word it is')
  return { clientCertificateHeader: header }
}

function publicationOf({ crlFolder, crlCommand }: z.output<typeof schema>): { publication?: Publication } {
  if (crlFolder === undefined && crlCommand === undefined) return {}
  const folder = crlFolder === undefined ? {} : { folder: crlFolder }
  return { publication: { ...folder, ...(crlCommand === undefined ? {} : { command: crlCommand }) } }
}
