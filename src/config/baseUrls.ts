import { hostname as systemHostname } from 'node:os'
import type { Config, ListenConfig } from '../config.ts'
import { ipInNetwork, parseIp } from '../pki/identifier.ts'

/** Without a trailing slash; named as in Host (src/protocol.ts). */
export interface BaseUrls {
  baseUrl: string
  mtlsBaseUrl: string
  httpBaseUrl: string
}

export function isLoopback(address: string): boolean {
  const ip = parseIp(address)
  return ip !== undefined && (ipInNetwork(ip, '127.0.0.0/8') || ipInNetwork(ip, '::1'))
}

/** Whether nobody but this machine reaches a URL. */
export function isLoopbackUrl(url: string): boolean {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '')
  return host === 'localhost' || host.endsWith('.localhost') || isLoopback(host)
}

/** The URLs that are handed out: the configured ones, else built from where the server listens and the ports that it got. */
export function baseUrlsOf(
  config: Pick<Config, 'baseUrls' | 'listen'>,
  ports: Partial<Omit<ListenConfig, 'address'>> = {},
): BaseUrls {
  const { address, httpsPort, mtlsPort, httpPort } = { ...config.listen, ...ports }
  const host = hostFor(address)
  const url = (scheme: string, number: number) => new URL(`${scheme}://${host}:${number}`).origin
  return {
    baseUrl: url('https', httpsPort),
    mtlsBaseUrl: url('https', mtlsPort),
    httpBaseUrl: url('http', httpPort),
    ...config.baseUrls,
  }
}

function hostFor(address: string): string {
  if (isLoopback(address)) return 'localhost'
  if (address === '0.0.0.0' || parseIp(address)?.every((octet) => octet === 0)) return systemHostname()
  return address.includes(':') ? `[${address}]` : address
}
